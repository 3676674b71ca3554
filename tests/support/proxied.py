"""A front before a real handler, in the test's own process: an event loop in a thread, the log of a house behind it."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPConnection
from queue import Queue
from threading import Thread
from typing import Any, cast

from adapters.http import Door
from adapters.providers import sign_wms
from adapters.server import Forwarding, Front, Target
from adapters.server import Handler as Asked
from adapters.server.http11.connection import Connection
from adapters.server.http11.connections import Connections
from adapters.sql import Entry, Rejection, Unavailable, sealed_by
from core.event import Reading
from tests.support.handler import PATIENCE, Handler
from tests.support.house import SECRET, House, start
from wiring.components import now

BODY = json.dumps(start("ann")).encode()


class Link:
    """Commits at once, in the event loop, as the link to a writing process does in its time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.away = False
        self.refused: dict[str, int] = {}
        self.committed: Queue[Entry | Rejection] = Queue()

    def commit(self, item: Entry | Rejection, tell: Any, _trace: bytes = b"") -> None:
        if isinstance(item, Entry):
            item.sealed = sealed_by(self._house.ids, item)
            item.headers = []
        kind = item.reading.type if isinstance(item, Entry) and isinstance(item.reading, Reading) else ""
        self.refused[kind] = self.refused.get(kind, 0) - 1
        if self.away or self.refused[kind] >= 0:
            tell(Unavailable("away"))
            return
        receipt = self._house.log.append([item])[0]
        self.committed.put(item)
        tell(receipt)


class Proxy:
    """What a sender reaches, and what is to be seen behind it."""

    def __init__(self, port: int, handler: Handler, house: House, link: Link, site: Connections) -> None:
        self.port = port
        self.handler = handler
        self.house = house
        self.link = link
        self.site = site

    def ask(self, method: str, path: str, body: bytes | None = None, headers: Any = ()) -> Any:
        """Status, headers and body of an answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def deliver(self, body: bytes = BODY, path: str = "/in/captions/webhook") -> int:
        """The status that a webhook of the glasses is answered with."""
        return int(self.ask("POST", path, body, {"content-type": "application/json"})[0])

    def scan(self, body: bytes, *, signed: bool = True) -> int:
        """The same of a WMS delivery."""
        return int(self.ask("POST", "/in/clinic", body, sign_wms(SECRET, body) if signed else {})[0])

    def recorded(self, count: int) -> list[Any]:
        """So many things that were committed, once they are; the events of the log by then."""
        for _ in range(count):
            self.link.committed.get(timeout=PATIENCE)
        return [self.house.get(f"/v1/events/{one['position']}") for one in self.house.get("/v1/events")["data"]]

    @staticmethod
    def now() -> int:
        """Unix seconds, by the door's clock."""
        return now() // 1_000_000

    def session(self) -> Any:
        (session,) = self.house.get("/v1/sessions")["data"]
        return session


@contextmanager
def proxied(
    house: House, made: Handler, sources: tuple[str, ...] = ("captions", "clinic"), **more: Any
) -> Iterator[Proxy]:
    """`more`: fields of the targets."""
    link, loop = Link(house), asyncio.new_event_loop()
    ready: Future[tuple[int, Connections, asyncio.Event]] = Future()

    async def serve() -> None:
        given: dict[str, Any] = {"url": made.url, "within": 10.0, "most": 8, "observe": False} | more
        hosts = dict.fromkeys(sources, given.pop("hosts", ()))
        door = Door(house.providers, 262_144, now, sources, (), hosts)
        targets = [
            Target(
                **given,
                beside=house.providers[name].beside,
                session=house.providers[name].machine_of("session") == "session",
            )
            for name in sources
        ]
        handlers = {name: Asked(target, now) for name, target in zip(sources, targets, strict=True)}
        nobody = cast(Any, None)
        front = Front(
            door, cast(Any, link), nobody, Forwarding(handlers, sources, door, cast(Any, link), house.recorder)
        )
        site = Connections(front.answer, door.max_body, streams=front.streams)
        server = await loop.create_server(lambda: Connection(site), "127.0.0.1", 0)
        ended = asyncio.Event()
        ready.set_result((server.sockets[0].getsockname()[1], site, ended))
        await ended.wait()
        server.close()
        await site.close(PATIENCE)
        await front.settle(PATIENCE)

    thread = Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    port, site, ended = ready.result(PATIENCE)
    try:
        yield Proxy(port, made, house, link, site)
    finally:
        made.let_go.set()
        loop.call_soon_threadsafe(ended.set)
        thread.join(PATIENCE)
        loop.close()
