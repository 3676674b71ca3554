"""Questions to a Hookfold over one keep-alive connection."""

import http.client
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import msgspec


class Asking:
    """Asks a server on this machine, GET after GET."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def timed(self, path: str) -> float:
        """Seconds until the whole answer was there."""
        began = time.perf_counter()
        self._fetch(path)
        return time.perf_counter() - began

    def get(self, path: str) -> Any:
        """The JSON of an answer. Raises RuntimeError for every status but 200."""
        return msgspec.json.decode(self._fetch(path))

    def pages(self, path: str) -> Iterator[Any]:
        """Everything in a list, page after page."""
        bare = path.partition("?")[0]
        page = self.get(path)
        yield from page["data"]
        while page["next_cursor"]:
            page = self.get(f"{bare}?cursor={page['next_cursor']}")
            yield from page["data"]

    def _fetch(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300].decode(errors='replace')}")
        return body
