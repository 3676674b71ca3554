"""A reader of server-sent events, as a client of ours writes one."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import islice
from time import monotonic, sleep
from typing import Any, NamedTuple, Self

from tests.support.service import PATIENCE

STREAM = "/v1/events/stream"


class Message(NamedTuple):
    """`id` and `data` of one event, and its name where it has one."""

    id: int
    data: dict[str, Any]
    event: str | None


class RefusedError(Exception):
    """The status of an answer that is no stream."""


class Stream:
    """One connection that follows the log; `last` is what a client that comes back sends."""

    def __init__(self, port: int, query: str = "", last: int | str | None = None, path: str = STREAM) -> None:
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._connection.request("GET", path + query, headers=headers)
        self.answer: HTTPResponse = self._connection.getresponse()
        if self.answer.status != 200:
            self.close()
            raise RefusedError(self.answer.status)
        assert self.answer.getheader("content-type") == "text/event-stream"

    @classmethod
    def back(cls, port: int, query: str, last: int | None, path: str = STREAM) -> Self:
        """A client that comes back again and again: the slot of its own last connection may not be free at once."""
        deadline = monotonic() + PATIENCE
        while True:
            try:
                return cls(port, query, last, path)
            except RefusedError as refused:
                if refused.args != (503,) or monotonic() > deadline:
                    raise
                sleep(0.02)

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
