"""A reader of server-sent events, as a client of ours writes one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple, Self

from tests.support.service import PATIENCE

STREAM = "/v1/events/stream"


class Message(NamedTuple):
    """`id` and `data` of one event, and its name where it has one."""

    id: int
    data: dict[str, Any]
    event: str | None


class Stream:
    """One connection that follows the log; `last` is what a client that comes back sends."""

    def __init__(self, port: int, query: str = "", last: int | str | None = None) -> None:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._connection.request("GET", STREAM + query, headers=headers)
        self.answer: HTTPResponse = self._connection.getresponse()
        assert (self.answer.status, self.answer.getheader("content-type")) == (200, "text/event-stream")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.answer.close()
        self._connection.close()

    def take(self, count: int) -> list[Message]:
        """The next messages."""
        return list(islice(self.messages(), count))

    def messages(self) -> Iterator[Message]:
        """All of them, until the service or the connection ends."""
        fields: dict[str, str] = {}
        for line in self.lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Message(int(fields["id"]), json.loads(fields["data"]), fields.get("event"))
                fields = {}

    def lines(self) -> Iterator[str]:
        deadline = monotonic() + PATIENCE
        with suppress(HTTPException, OSError):
            while line := self.answer.readline():
                assert monotonic() < deadline, "nothing but heartbeats"
                yield line.decode().removesuffix("\n")
