"""Follows the log page by page after a position, as endless server-sent events (WHATWG HTML, 9.2)."""

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
"""Without `X-Accel-Buffering: no`, nginx would buffer the messages."""
LAST = "Last-Event-ID"
_LAST = Header("The `id` of the last message seen: the stream begins behind it, whatever `after` says.", "[0-9]{1,19}")
STREAM: dict[str, Any] = {"media": "text/event-stream", "more_headers": {LAST: _LAST}}
"""The declarations of such a route."""


class FittingRows(NamedTuple):
    """Matching rows, and the position up to which they are complete; None: the last row's, or the head if there are
    none.
    """

    rows: Sequence[Any]
    upto: int | None = None


class Followed(NamedTuple):
    """A followed feed. `name` is the tail that feeds it, `head` returns the last readable position.

    `wanted` returns the filter with the present sources, `read` the next rows after a position, and `shapes` the
    contents of a row's messages.
    """

    name: str
    head: Callable[[], int]
    wanted: Callable[[], Wanted]
    read: Callable[[Wanted, int], FittingRows]
    shapes: Callable[[Any], Sequence[Any]]


def follow(ask: Ask[Any], followed: Followed) -> Response:
    """The endless response."""
    after = _last_seen(ask.query.after)
    followed.head()  # raises if the database is away; a client that is connected already waits for it
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
    """Parses a position; None if it is not one."""
    plain = given.isascii() and given.isdigit() and len(given) < 20
    return int(given) if plain and int(given) <= queries.HIGHEST else None


def _stream_of(content: Iterator[bytes]) -> Response:
    return Response(content, **_AS_EVENTS)


def _page(followed: Followed, after: int) -> FollowPage:
    """The next messages for a client of a stream."""
    wanted = followed.wanted()
    follower = Follower(followed.head, partial(followed.read, wanted), after)
    rows = follower.page()
    told = within_bounds(tail_events(rows, followed.shapes))
    after = told[-1].position if len(told) < len(rows) else follower.after
    return FollowPage(joined(told) or follower.sign(), after, follower.head, wanted)


def _last_seen(after: int) -> int:
    """The position after which a stream begins: the last one that a returning client saw, else the requested one."""
    given = request.headers.get(LAST)
    if not given:  # some clients send an empty one before their first event
        return after
    position = position_of(given)
    if position is None:
        raise BadRequest(f"{LAST}: not a position", parameter=LAST)
    return position


class Follower:
    """Reads events after a position; calls `read` only if the log has grown.

    `head` is the log's last known position. Up to `after`, no matching event is left.
    """

    def __init__(self, head: Callable[[], int], read: Callable[[int], FittingRows], after: int) -> None:
        self._head = head
        self._read = read
        self.after = after
        self.head = 0

    def page(self) -> Sequence[Any]:
        """The next matching events, if there are any. Raises Unavailable.

        No position up to the head can appear later, so if none matches, all are done, unless `read` stopped earlier.
        """
        self.head = self._head()
        if self.head <= self.after:
            return []
        rows, upto = self._read(self.after)
        self.after = upto if upto is not None else rows[-1].position if rows else self.head
        return rows

    def sign(self) -> bytes:
        """The message if nothing matched: a comment if more can be read at once."""
        return COMMENT if self.after < self.head else b""


def messages(follower: Follower, looks: Iterable[None], shapes: Callable[[Any], Sequence[Any]]) -> Iterator[bytes]:
    """The messages to a client, one step per item of `looks`. Waits while the database is away."""
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
    """Messages without an event name, so that every client receives them: types are chosen by the senders.

    Only the last one has the position as its id: a client that loses the connection before it gets all of them again.
    """
    data = [b"data: %s\n\n" % msgspec.json.encode(content) for content in contents]
    return b"".join([*data[:-1], b"id: %d\n" % position, *data[-1:]])
