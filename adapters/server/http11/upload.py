"""A request body that is forwarded while it arrives. Only what the consumer has not taken yet is buffered."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

MOST_HELD = 65_536
"""The buffered bytes above which the client is not read."""


class BrokenOffError(Exception):
    """The client has left, or sent an invalid body."""


class Upload:
    """A buffer between the connection, which feeds it, and the task that iterates over it.

    `held` is the number of buffered bytes. `done` is true once the body is complete or aborted. Until then, `taken` is
    called when a piece leaves the buffer. The iteration raises BrokenOffError at the end of an aborted body.
    """

    def __init__(self) -> None:
        self.held = 0
        self.done = False
        self.taken: Callable[[], None] | None = None
        self._whole = False
        self._pieces: deque[bytes] = deque()
        self._more = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether the buffer is full."""
        return self.held >= MOST_HELD

    def feed(self, piece: bytes) -> None:
        """Adds a piece."""
        if not self.done:
            self._pieces.append(piece)
            self.held += len(piece)
            self._more.set()

    def end(self) -> None:
        """Marks the body as complete."""
        self._whole = not self.done
        self.break_off()

    def break_off(self) -> None:
        """Ends the body. It is aborted unless `end` marked it as complete."""
        self.done, self.taken = True, None
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self.held -= len(piece)
                if self.taken is not None:
                    self.taken()
                yield piece
            if self._whole:
                return
            if self.done:
                raise BrokenOffError
            self._more.clear()
            await self._more.wait()
