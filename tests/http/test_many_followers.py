"""Many who follow or wait, of one process: nobody holds a thread, everybody has every event once and in order."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.support.logs import wms
from tests.support.raw import request
from tests.support.service import READY, Answer, Service, running
from tests.support.sse import STREAM

MANY = 200
SENT = 20
QUERIES = ("", "?source=clinic", "?session_id=a", "?source=clinic&session_id=a")
_ID = re.compile(rb"id: (\d+)\n")


@pytest.fixture(scope="module")
def service(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """For both tests: the one that counts what was asked comes first."""
    with running(shared_database_url, tmp_path_factory.mktemp("many") / "service") as service:
        yield service


class Reader:
    """Follows from `head` on, and comes back with the last position it has seen. `done`: it has what it expects."""

    def __init__(self, port: int, query: str, head: int) -> None:
        self.seen: list[int] = []
        self._head = head
        self.begun, self.done = asyncio.Event(), asyncio.Event()
        self._expected = 1 << 62
        self._port = port
        self.query = query

    def expect(self, position: int) -> None:
        self._expected = position
        self._look()

    async def follow(self) -> None:
        while True:
            with suppress(OSError):
                await self._connection()
            await asyncio.sleep(0.05)  # as a client does

    def _look(self) -> None:
        if self.seen and self.seen[-1] >= self._expected:
            self.done.set()

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        came_back = [("Last-Event-ID", str(self.seen[-1] if self.seen else self._head))]
        writer.write(request(STREAM + self.query, headers=came_back, length="", method="GET"))
        try:
            while line := await reader.readline():
                self.begun.set()
                self.seen += map(int, _ID.findall(line))
                self._look()
        finally:
            writer.close()


def send(service: Service, session: str, first: int, count: int = SENT) -> int:
    """The last one's position."""
    for number in range(first, first + count):
        answer = service.wms(wms(session, number))
        assert answer.status == 200
    return int(answer.headers["hookfold-position"])


def serving(service: Service) -> int:
    (process,) = service.children()["server"]
    return process


def listed(service: Service, query: str, head: int) -> list[int]:
    """The positions after the head that the list tells with these filters."""
    found: list[int] = []
    while page := service.get(f"/v1/events?limit=100&after={found[-1] if found else head}&{query}")["data"]:
        found += [event["position"] for event in page]
    return found


def test_sixty_that_wait_hold_no_thread(service: Service):
    after = max(service.positions(), default=0)
    wait, hopeless = f"/v1/events?after={after}&wait=30", f"/v1/sessions?min_position={after + 1_000}"
    with ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(service.send, "GET", wait) for _ in range(30)]
        in_vain = [pool.submit(service.send, "GET", hopeless) for _ in range(30)]
        while b"hookfold_waiting 30.0" not in service.send("GET", "/metrics").body or not all_done(in_vain):
            assert not any(one.done() for one in waiting)
            time.sleep(0.05)
        written = pool.submit(service.send, "GET", f"/v1/sessions?min_position={after + 1}")
        service.wms(wms("s", 0))
        answers = [one.result() for one in waiting]

    assert {(answer.status, len(answer.json["data"])) for answer in answers} == {(200, 1)}
    assert {one.result().json["detail"].partition(" to ")[0] for one in in_vain} == {"the log did not come"}
    assert (written.result().status, len(written.result().json["data"])) == (200, 1)
    told = service.send("GET", "/metrics").body
    assert b"hookfold_waiting 0.0" in told
    assert b'route="/v1/events",status="200"} 3' in told


def all_done(futures: "Sequence[Future[Answer]]") -> bool:
    return all(one.done() for one in futures)


def test_two_hundred_have_every_event_once_and_in_order_also_over_a_kill(service: Service):
    head = service.head()
    readers = asyncio.run(followed(service, head))

    expected = {query: listed(service, query.removeprefix("?"), head) for query in QUERIES}
    assert all(reader.seen == expected[reader.query] for reader in readers)
    assert len(expected["?session_id=a"]) == 2 * SENT


async def followed(service: Service, head: int) -> list[Reader]:
    """Readers that have seen all, up to the last event of a session; in between their process was killed."""
    readers = [Reader(service.port, QUERIES[number % len(QUERIES)], head) for number in range(MANY)]
    following = [asyncio.create_task(reader.follow()) for reader in readers]
    await asyncio.gather(*(reader.begun.wait() for reader in readers))

    await asyncio.to_thread(send, service, "a", 0)
    os.kill(serving(service), signal.SIGKILL)
    await asyncio.to_thread(service.await_ready)
    last = await asyncio.to_thread(send, service, "a", SENT)
    for reader in readers:
        reader.expect(last)
    await asyncio.wait_for(asyncio.gather(*(reader.done.wait() for reader in readers)), READY)
    for one in following:
        one.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    return readers
