"""A streamed response body: a thread or the event loop produces the chunks, the event loop sends them."""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import Event


class StreamingBody:
    """Status and headers of a response, and the channel of its pieces. Each is made once the last one was taken."""

    def __init__(self, loop: AbstractEventLoop, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = headers
        self.send: Callable[[bytes], None] | None = None
        self._loop = loop
        self._taken = Event()

    def put(self, piece: bytes) -> None:
        """Called in the thread. Returns once the client takes more, or has left."""
        self._taken.clear()
        self._loop.call_soon_threadsafe(self._hand, piece)
        self._taken.wait()

    def resume(self) -> None:
        """Called in the event loop when the piece was taken or dropped."""
        self._taken.set()

    def _hand(self, piece: bytes) -> None:
        if self.send is None:
            self.resume()
        else:
            self.send(piece)


class LoopStreamingBody(StreamingBody):
    """The same for pieces that the event loop produces."""

    def __init__(self, status: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(asyncio.get_running_loop(), status, headers)
        self._resumed = asyncio.Event()

    async def give(self, piece: bytes) -> None:
        """Sends a piece. Returns once the client takes more, or has left."""
        if self.send is not None:
            self._resumed.clear()
            self.send(piece)
            await self._resumed.wait()

    def resume(self) -> None:
        self._resumed.set()
