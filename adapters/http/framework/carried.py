"""What a server carries on with that needs no thread for it: who waits for the log to grow, and who follows it.

The application, asked in a thread, answers with an order instead of a body, as it does with a file
(`wsgi.file_wrapper`): to ask it again once there is something, or to send what comes. Other servers have nothing of
that in the environment: there, whoever waits holds a thread (`waiting.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic, perf_counter
from typing import Any, NamedTuple, cast

from flask import Response, g

from adapters.http.framework.problems import Busy

CARRIED = "hookfold.carried"
"""In the WSGI environment: the `Carried` of this request, where the server carries on."""

HEARTBEAT = 15.0
"""Seconds of silence behind which a comment is sent: proxies keep the connection, and a client that left is noticed."""

RECONNECT = b"retry: 1000\n"
"""Milliseconds after which a client that lost the connection comes back. Sent at once, so that headers get through.

Without an empty line, here as behind a comment: some clients make an event of nothing of it.
"""
COMMENT = b":\n"

EVENTS = "events"
"""The tail of the log itself, by which those who wait are told, too."""

AT_ONCE = 100
"""Events that are read and sent together."""
BYTES_AT_ONCE = 256 << 10
"""Their bytes, behind which no more are added: that much may wait for each client."""

Place = None | str | tuple[str, str]
"""Of an event: anywhere, its source, or its source and stream."""
Key = tuple[Place, str | None]
"""A place, and a type or any."""


class Wanted(NamedTuple):
    """Events of some sources, or of all; where streams are named, as (source, stream), only theirs.

    `reading`, `type`: only those of one.
    """

    sources: frozenset[str] | None = None
    streams: frozenset[tuple[str, str]] | None = None
    reading: str | None = None
    type: str | None = None

    @property
    def keys(self) -> frozenset[Key]:
        """An event that fits has one of these, and only one."""
        places: Iterable[Place] | None = self.sources if self.streams is None else self.streams
        return frozenset((place, self.type) for place in ([None] if places is None else places))

    @property
    def anywhere(self) -> bool:
        """Whether a source that nobody knew may bring another stream that fits."""
        return self.sources is None and self.streams is not None


class TailEvent(NamedTuple):
    """An event as a message that clients are sent."""

    position: int
    source: str
    stream: str | None
    reading: str
    type: str | None
    message: bytes

    @classmethod
    def end(cls, position: int) -> "TailEvent":
        """None, and for nobody: what was read went so far."""
        return cls(position, "", None, "", None, b"")

    @property
    def keys(self) -> list[Key]:
        """Each once."""
        if not self.message:
            return []
        places: list[Place] = [None, self.source]
        if self.stream is not None:
            places.append((self.source, self.stream))
        types = [None] if self.type is None else [None, self.type]
        return [(place, kind) for place in places for kind in types]


class TailPage(NamedTuple):
    """The next events behind a position. `more`: there are others behind them, to be read at once."""

    events: Sequence[TailEvent]
    more: bool


class FollowPage(NamedTuple):
    """What a client is sent, and how far that goes; nothing where none is left up to `after`, and none behind it.

    `head`: the log's last position before it was read.
    """

    messages: bytes
    after: int
    head: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Follow:
    """An order: send what is behind a position, and what comes. `page` reads, in a thread; `tail` feeds it then."""

    page: Callable[[int], FollowPage]
    after: int
    tail: str = EVENTS

    def answer(self, **headers: Any) -> Response:
        """The answer that has this order for its body."""
        return _ordered(self, **headers)


@dataclass(frozen=True, slots=True)
class Later:
    """An order: ask the same again once something fits that is behind `after`, or when it is `due`.

    `head`: the position up to which nothing did.
    """

    wanted: Wanted
    after: int
    head: int
    due: float


@dataclass(slots=True)
class Carried:
    """What a server says of a request that it can carry on with, the same each time that it asks.

    `full`: no more can wait. `began`: when it was asked first; `until`: how long something is waited for, by parameter.
    """

    full: bool = False
    began: float = field(default_factory=perf_counter)
    until: dict[str, float] = field(default_factory=dict)

    def admit(self, parameter: str | None = None) -> None:
        """Raises Busy where no more can wait."""
        if self.full:
            raise Busy("too many requests are waiting: ask again", parameter=parameter)

    def put_off(
        self, parameter: str, seconds: float, wanted: Wanted, after: int, head: int, every: float = inf
    ) -> None:
        """Has the server ask again, `every` so many seconds at least. Returns once `seconds` are over. Raises Busy."""
        self.admit(parameter)
        now = monotonic()
        due = self.until.setdefault(parameter, now + seconds)
        if now < due:
            raise PutOff(Later(wanted, after, head, min(due, now + every)))


class PutOff(Exception):
    """The request is not answered now. Not the order itself, which is kept: an exception keeps all that led to it."""

    def __init__(self, order: Later) -> None:
        super().__init__()
        self.order = order

    def response(self) -> Response:
        """What has the order for its body; it is no answer, and not counted as one."""
        g.put_off = True
        return _ordered(self.order)


def within_bounds(told: Iterable[TailEvent]) -> list[TailEvent]:
    """The first ones of these, as many as are sent at once."""
    some, size = [], 0
    for one in told:
        some.append(one)
        size += len(one.message)
        if size >= BYTES_AT_ONCE:
            break
    return some


def joined(told: Sequence[TailEvent]) -> bytes:
    """Their messages."""
    return b"".join([one.message for one in told])


def _ordered(order: Follow | Later, **more: Any) -> Response:
    return Response(cast(Any, order), direct_passthrough=True, **more)
