"""Requests that wait for the log or follow it without a thread, in a server that supports it.

The application returns an instruction instead of a body, as with a file (`wsgi.file_wrapper`): to call it again when
there is something, or to send events as they come. Under other servers such a request holds a thread (`waiting.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic, perf_counter
from typing import Any, NamedTuple, cast

from flask import Response, g

from adapters.http.framework.problems import Busy

CARRIED = "hookfold.carried"
"""The key of the WSGI environment that holds the request's `Carried`, if the server supports it."""

HEARTBEAT = 15.0
"""Seconds of silence before a comment is sent, so that proxies keep the connection and a closed one is noticed."""

RECONNECT = b"retry: 1000\n"
"""The milliseconds after which a client reconnects. Sent at once, so that the headers get through.

No empty line follows, here or after a comment: some clients take it for an empty event."""
COMMENT = b":\n"

EVENTS = "events"
"""The name of the tail of the log itself, which also wakes waiting requests."""

AT_ONCE = 100
"""The most events that are read and sent together."""
BYTES_AT_ONCE = 256 << 10
"""The bytes after which no more events are added. So much may be buffered for each client."""

Place = None | str | tuple[str, str]
"""Where an event belongs: anywhere, its source, or its source and stream."""
Key = tuple[Place, str | None]
"""A place and a type, or None for any type."""


class Wanted(NamedTuple):
    """A filter of events. `streams` holds (source, stream). None: no condition."""

    sources: frozenset[str] | None = None
    streams: frozenset[tuple[str, str]] | None = None
    reading: str | None = None
    type: str | None = None

    @property
    def keys(self) -> frozenset[Key]:
        """The keys of the filter. A matching event has exactly one of them."""
        places: Iterable[Place] | None = self.sources if self.streams is None else self.streams
        return frozenset((place, self.type) for place in ([None] if places is None else places))

    @property
    def anywhere(self) -> bool:
        """Whether a source that is still unknown may have matching streams."""
        return self.sources is None and self.streams is not None


class TailEvent(NamedTuple):
    """An event of a tail. `message` is its encoding for clients."""

    position: int
    source: str
    stream: str | None
    reading: str
    type: str | None
    message: bytes

    @classmethod
    def end(cls, position: int) -> "TailEvent":
        """A marker of the position up to which the log was read. It is sent to no client."""
        return cls(position, "", None, "", None, b"")

    @property
    def keys(self) -> list[Key]:
        """The event's keys, without repeats."""
        if not self.message:
            return []
        places: list[Place] = [None, self.source]
        if self.stream is not None:
            places.append((self.source, self.stream))
        types = [None] if self.type is None else [None, self.type]
        return [(place, kind) for place in places for kind in types]


class TailPage(NamedTuple):
    """The next events after a position. `more`: others follow that can be read at once."""

    events: Sequence[TailEvent]
    more: bool


class FollowPage(NamedTuple):
    """A page of encoded messages for a client.

    Up to the position `after`, nothing is left to send. `head` is the log's last position before the read. `wanted`
    is the client's filter.
    """

    messages: bytes
    after: int
    head: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Follow:
    """An instruction to send the events after a position and then new ones.

    `page` reads the stored events in a thread; the tail of the name `tail` supplies the new ones.
    """

    page: Callable[[int], FollowPage]
    after: int
    tail: str = EVENTS

    def answer(self, **headers: Any) -> Response:
        """The response with this instruction as its body."""
        return _ordered(self, **headers)


@dataclass(frozen=True, slots=True)
class Later:
    """An instruction to repeat the request once an event after `after` matches, at the latest at `due` (monotonic).

    Up to the position `head`, no event matches.
    """

    wanted: Wanted
    after: int
    head: int
    due: float


@dataclass(slots=True)
class Carried:
    """The server's state of a request that it can continue, the same at each repetition.

    `full`: no more requests can wait. `began` is the time of the first call, `until` the end of waiting by parameter.
    """

    full: bool = False
    began: float = field(default_factory=perf_counter)
    until: dict[str, float] = field(default_factory=dict)

    def admit(self, parameter: str | None = None) -> None:
        """Raises Busy if no more requests can wait."""
        if self.full:
            raise Busy("too many requests are waiting: ask again", parameter=parameter)

    def put_off(
        self, parameter: str, seconds: float, wanted: Wanted, after: int, head: int, every: float = inf
    ) -> None:
        """Raises PutOff, so that the server repeats the request, at least every `every` seconds.

        Returns once `seconds` have passed since the first call for this parameter. Raises Busy.
        """
        self.admit(parameter)
        now = monotonic()
        due = self.until.setdefault(parameter, now + seconds)
        if now < due:
            raise PutOff(Later(wanted, after, head, min(due, now + every)))


class PutOff(Exception):
    """The request is not answered now.

    It wraps the instruction, which the server keeps: an exception that is kept would keep its traceback alive.
    """

    def __init__(self, order: Later) -> None:
        super().__init__()
        self.order = order

    def response(self) -> Response:
        """A response with the instruction as its body. Metrics do not count it."""
        g.put_off = True
        return _ordered(self.order)


def within_bounds(told: Iterable[TailEvent]) -> list[TailEvent]:
    """The first events, up to and including the one that reaches BYTES_AT_ONCE."""
    some, size = [], 0
    for one in told:
        some.append(one)
        size += len(one.message)
        if size >= BYTES_AT_ONCE:
            break
    return some


def joined(told: Sequence[TailEvent]) -> bytes:
    """The concatenated messages."""
    return b"".join([one.message for one in told])


def _ordered(order: Follow | Later, **more: Any) -> Response:
    return Response(cast(Any, order), direct_passthrough=True, **more)
