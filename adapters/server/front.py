"""What a request is answered with: deliveries and `/healthz` in the event loop, everything else by Flask in threads."""

from functools import partial
from urllib.parse import unquote

import structlog

from adapters.http import ALIVE, Door, is_ingest, unrecorded
from adapters.server.bridge import Bridge
from adapters.server.link import Link
from adapters.server.reader import Request
from adapters.server.site import Respond
from adapters.sql import Entry, Receipt, Rejection, Unavailable

_logger = structlog.get_logger()


class Front:
    """One process's server side. `link` leads to the process that writes; `bridge` runs Flask."""

    def __init__(self, door: Door, link: Link, bridge: Bridge) -> None:
        self._door = door
        self._link = link
        self._bridge = bridge

    def answer(self, request: Request, respond: Respond) -> None:
        """Answers a request, now or later, in the event loop."""
        if is_ingest(request.target):
            self._deliver(request, respond)
        elif request.target == "/healthz" and request.method in {"GET", "HEAD"}:
            respond(ALIVE)
        else:
            self._bridge.answer(request, respond)

    def close(self) -> None:
        """Waits for what Flask still answers."""
        self._bridge.close()

    def _deliver(self, request: Request, respond: Respond) -> None:
        path = unquote(request.target.partition("?")[0], "latin-1")
        source = self._door.source_of(request.method, path)
        if isinstance(source, str):
            self._take(source, request, respond)
        else:
            respond(source)

    def _take(self, source: str, request: Request, respond: Respond) -> None:
        """Whatever goes wrong with a delivery, its sender is told to send it again."""
        try:
            item = self._item(source, request)
            self._link.commit(item, partial(self._told, item, respond))
        except Exception:
            _logger.exception("delivery_failed")
            respond(unrecorded())

    def _item(self, source: str, request: Request) -> Entry | Rejection:
        if isinstance(request.body, int):
            return self._door.refuse_size(source, request.headers, request.body)
        return self._door.receive(source, request.headers, request.body)

    def _told(self, item: Entry | Rejection, respond: Respond, outcome: Receipt | Unavailable) -> None:
        respond(self._door.answer(item, outcome))
