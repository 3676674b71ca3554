"""Follows the log: page after page behind a position, as server-sent events (WHATWG HTML, 9.2) where it never ends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any

import msgspec

from adapters.http.framework.carried import COMMENT, HEARTBEAT, RECONNECT
from adapters.sql import Recorded, Unavailable


class Follower:
    """Reads events behind a position; `read` is asked only once the log has gone beyond what was seen of it.

    `head`: the log's last position when it was looked at last; `after`: nothing that fits is left up to there.
    """

    def __init__(self, head: Callable[[], int], read: Callable[[int], Sequence[Recorded]], after: int) -> None:
        self._head = head
        self._read = read
        self.after = after
        self.head = 0

    def page(self) -> Sequence[Recorded]:
        """The next events that fit; none where there are none yet. Raises Unavailable.

        No position up to the head comes later, so where none of them fits, all of them are done with.
        """
        self.head = self._head()
        if self.head <= self.after:
            return []
        rows = self._read(self.after)
        self.after = rows[-1].position if rows else self.head
        return rows


def messages(follower: Follower, looks: Iterable[None], shape: Callable[[Recorded], Any]) -> Iterator[bytes]:
    """What is sent to a client, for as long as there are looks. A database that is away is waited for."""
    yield RECONNECT
    said = monotonic()
    for _ in looks:
        while rows := _page(follower):
            yield b"".join(message(row.position, shape(row)) for row in rows)
            said = monotonic()
        if monotonic() - said >= HEARTBEAT:
            yield COMMENT
            said = monotonic()


def _page(follower: Follower) -> Sequence[Recorded]:
    try:
        return follower.page()
    except Unavailable:
        return []


def message(position: int, content: Any) -> bytes:
    """Without a name, so that every client gets it: types are the senders', who may write anything or nothing."""
    return b"id: %d\ndata: %s\n\n" % (position, msgspec.json.encode(content))
