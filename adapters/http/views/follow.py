"""Follows the log: page after page behind a position, as server-sent events (WHATWG HTML, 9.2) where it never ends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import msgspec
from flask import Response, request

from adapters.http.framework import queries
from adapters.http.framework.carried import (
    COMMENT,
    HEARTBEAT,
    RECONNECT,
    Follow,
    FollowPage,
    TailEvent,
    Wanted,
    joined,
    within_bounds,
)
from adapters.http.framework.problems import BadRequest
from adapters.http.framework.routes import Ask, Header
from adapters.http.framework.waiting import carried_of, ending_of, looks
from adapters.sql import Unavailable

_AS_EVENTS: dict[str, Any] = {"headers": {"X-Accel-Buffering": "no"}, "content_type": "text/event-stream"}
"""`X-Accel-Buffering`: nginx would keep the messages back."""
LAST = "Last-Event-ID"
_LAST = Header("The `id` of the last message seen: the stream begins behind it, whatever `after` says.", "[0-9]{1,19}")
STREAM: dict[str, Any] = {"media": "text/event-stream", "more_headers": {LAST: _LAST}}
"""What such a route declares."""


class FittingRows(NamedTuple):
    """Rows that fit, and the position up to which no others do; None: that of the last row, or the head without any."""

    rows: Sequence[Any]
    upto: int | None = None


class Followed(NamedTuple):
    """What is followed. `name`: the tail that feeds it; `head`: the position up to which there is something to read.

    `wanted`: what fits, as the sources are now; `read`: the next of that behind a position; `shapes`: what is told of a
    row, each in a message.
    """

    name: str
    head: Callable[[], int]
    wanted: Callable[[], Wanted]
    read: Callable[[Wanted, int], FittingRows]
    shapes: Callable[[Any], Sequence[Any]]


def follow(ask: Ask[Any], followed: Followed) -> Response:
    """The answer that never ends."""
    after = _last_seen(ask.query.after)
    followed.head()  # a client that comes while the database is away is told so; one that is here waits for it
    if request.method == "HEAD":
        return _stream_of(iter(()))
    if (carried := carried_of(request.environ)) is not None:
        carried.admit()
        return Follow(partial(_page, followed), after, followed.name).answer(**_AS_EVENTS)
    slot = ask.api.waiting.slot()
    follower = Follower(followed.head, lambda after: followed.read(followed.wanted(), after), after)
    response = _stream_of(messages(follower, looks(ending=ending_of(request.environ)), followed.shapes))
    response.call_on_close(slot.close)
    return response


def tail_events(rows: Iterable[Any], shapes: Callable[[Any], Sequence[Any]]) -> Iterator[TailEvent]:
    """Rows as messages."""
    for row in rows:
        message = messages_of(row.position, shapes(row))
        yield TailEvent(row.position, row.source, row.stream, row.reading, row.type, message)


def position_of(given: str) -> int | None:
    """A position as text; None where it is none."""
    plain = given.isascii() and given.isdigit() and len(given) < 20
    return int(given) if plain and int(given) <= queries.HIGHEST else None


def _stream_of(content: Iterator[bytes]) -> Response:
    return Response(content, **_AS_EVENTS)


def _page(followed: Followed, after: int) -> FollowPage:
    """What the client of a stream is sent next."""
    wanted = followed.wanted()
    follower = Follower(followed.head, partial(followed.read, wanted), after)
    rows = follower.page()
    told = within_bounds(tail_events(rows, followed.shapes))
    after = told[-1].position if len(told) < len(rows) else follower.after
    return FollowPage(joined(told) or follower.sign(), after, follower.head, wanted)


def _last_seen(after: int) -> int:
    """The position behind which a stream begins: what a client that comes back has seen, else what is asked for."""
    given = request.headers.get(LAST)
    if not given:  # some clients send an empty one before they have seen anything
        return after
    position = position_of(given)
    if position is None:
        raise BadRequest(f"{LAST}: not a position", parameter=LAST)
    return position


class Follower:
    """Reads events behind a position; `read` is asked only once the log has gone beyond what was seen of it.

    `head`: the log's last position when it was looked at last; `after`: nothing that fits is left up to there.
    """

    def __init__(self, head: Callable[[], int], read: Callable[[int], FittingRows], after: int) -> None:
        self._head = head
        self._read = read
        self.after = after
        self.head = 0

    def page(self) -> Sequence[Any]:
        """The next events that fit; none where there are none yet. Raises Unavailable.

        No position up to the head comes later, so where none of them fits, all of them are done with, unless `read`
        says that it went less far.
        """
        self.head = self._head()
        if self.head <= self.after:
            return []
        rows, upto = self._read(self.after)
        self.after = upto if upto is not None else rows[-1].position if rows else self.head
        return rows

    def sign(self) -> bytes:
        """What a client is sent that nothing fitted for: a comment where more is to be read at once."""
        return COMMENT if self.after < self.head else b""


def messages(follower: Follower, looks: Iterable[None], shapes: Callable[[Any], Sequence[Any]]) -> Iterator[bytes]:
    """What is sent to a client, for as long as there are looks. A database that is away is waited for."""
    yield RECONNECT
    said = monotonic()
    for _ in looks:
        while piece := _piece(follower, shapes):
            yield piece
            said = monotonic()
        if monotonic() - said >= HEARTBEAT:
            yield COMMENT
            said = monotonic()


def _piece(follower: Follower, shapes: Callable[[Any], Sequence[Any]]) -> bytes:
    try:
        rows = follower.page()
    except Unavailable:
        return b""
    return b"".join(messages_of(row.position, shapes(row)) for row in rows) or follower.sign()


def messages_of(position: int, contents: Sequence[Any]) -> bytes:
    """Without a name, so that every client gets them: types are the senders', who may write anything or nothing.

    The last one has the position for its id: whoever has lost the connection before that gets all of them again.
    """
    data = [b"data: %s\n\n" % msgspec.json.encode(content) for content in contents]
    return b"".join([*data[:-1], b"id: %d\n" % position, *data[-1:]])
