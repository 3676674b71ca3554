"""An answer whose body comes piece by piece: a thread makes it, the event loop sends it."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from threading import Event


class Pieces:
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

    def go_on(self) -> None:
        """In the event loop: the piece is taken, or in vain."""
        self._taken.set()

    def _hand(self, piece: bytes) -> None:
        if self.send is None:
            self.go_on()
        else:
            self.send(piece)
