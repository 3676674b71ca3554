"""A streamed response body: a thread or the event loop produces the chunks, the event loop sends them."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import Event


class StreamingBody:
    """Status and headers of the answer, and the way of its pieces. Nobody makes one before the last one is taken."""

    def __init__(self, loop: AbstractEventLoop, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = headers
        self.send: Callable[[bytes], None] | None = None
        self._loop = loop
        self._taken = Event()

    def put(self, piece: bytes) -> None:
        """In the thread: returns once the client takes more, or nothing any more."""
        self._taken.clear()
        self._loop.call_soon_threadsafe(self._hand, piece)
        self._taken.wait()

    def resume(self) -> None:
        """In the event loop: the piece is taken, or in vain."""
        self._taken.set()

    def _hand(self, piece: bytes) -> None:
        if self.send is None:
            self.resume()
        else:
            self.send(piece)


class LoopStreamingBody(StreamingBody):
    """The same of chunks that the event loop itself produces."""

    def __init__(self, status: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(asyncio.get_running_loop(), status, headers)
        self._resumed = asyncio.Event()

    async def give(self, piece: bytes) -> None:
        """Returns once the client takes more, or nothing any more."""
        if self.send is not None:
            self._resumed.clear()
            self.send(piece)
            await self._resumed.wait()

    def resume(self) -> None:
        self._resumed.set()
