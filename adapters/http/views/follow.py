"""Follows the log: page after page behind a position, as server-sent events (WHATWG HTML, 9.2) where it never ends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

import msgspec

from adapters.sql import Recorded, Unavailable

HEARTBEAT = 15.0
"""Seconds of silence behind which a comment is sent: proxies keep the connection, and a client that left is noticed."""

RECONNECT = b"retry: 1000\n"
"""Milliseconds after which a client that lost the connection comes back. Sent at once, so that headers get through.

Without an empty line, here as behind a comment: some clients make an event of nothing of it.
"""

_COMMENT = b":\n"


class Follower:
    """Reads events behind a position; `read` is asked only once the log has gone beyond what was seen of it."""

    def __init__(self, head: Callable[[], int], read: Callable[[int], Sequence[Recorded]], after: int) -> None:
        self._head = head
        self._read = read
        self._after = after

    def page(self) -> Sequence[Recorded]:
        """The next events that fit; none where there are none yet. Raises Unavailable.

        No position up to the head comes later, so where none of them fits, all of them are done with.
        """
        head = self._head()
        if head <= self._after:
            return []
        rows = self._read(self._after)
        self._after = rows[-1].position if rows else head
        return rows


def messages(follower: Follower, looks: Iterable[None], shape: Callable[[Recorded], Any]) -> Iterator[bytes]:
    """What is sent to a client, for as long as there are looks. A database that is away is waited for."""
    yield RECONNECT
    said = monotonic()
    for _ in looks:
        while rows := _page(follower):
            yield b"".join(_message(row.position, shape(row)) for row in rows)
            said = monotonic()
        if monotonic() - said >= HEARTBEAT:
            yield _COMMENT
            said = monotonic()


def _page(follower: Follower) -> Sequence[Recorded]:
    try:
        return follower.page()
    except Unavailable:
        return []


def _message(position: int, content: Any) -> bytes:
    """Without a name, so that every client gets it: types are the senders', who may write anything or nothing."""
    return b"id: %d\ndata: %s\n\n" % (position, msgspec.json.encode(content))
