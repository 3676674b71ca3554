"""What the log records of erasures: which event tells of each, and whose bodies are gone as it tells."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress

import msgspec
from sqlalchemy import Connection, text

from adapters.sql.log.own_events import OWN

_TELLING = text(
    "SELECT e.position, p.body FROM events e JOIN payloads p ON p.source = e.source AND p.position = e.position "
    "WHERE e.source = :own AND e.type = 'erased' AND p.origin IS NULL ORDER BY e.position"
)
_GONE = text("SELECT position, erased FROM payloads WHERE erased >= :first AND erased <= :last")


class RecordedErasure(msgspec.Struct):
    """A part of an erasure. `position`: of the event that tells of it; `erased`: of the events that it erased."""

    position: int
    who: str
    reason: str
    streams: list[str]
    erased: list[int]


class _Told(msgspec.Struct):
    """What the event of an erasure says."""

    request: str
    who: str
    reason: str
    streams: list[str] = []


_said = msgspec.json.Decoder(_Told)


def recorded_erasures(connection: Connection, requests: Collection[str]) -> dict[str, list[RecordedErasure]]:
    """The parts of the erasures with these requests, in order of their positions. Reads the payloads once."""
    found: dict[str, list[RecordedErasure]] = {request: [] for request in requests}
    for position, told in _told(connection):
        if told.request in found:
            found[told.request].append(RecordedErasure(position, told.who, told.reason, told.streams, []))
    tellers = {one.position: one for parts in found.values() for one in parts}
    if tellers:
        gone = _gone(connection, tellers.keys())
        for position, one in tellers.items():
            one.erased = sorted(gone[position])
    return found


def _told(connection: Connection) -> Iterator[tuple[int, _Told]]:
    """Of each event that can be read: what is wrong with others, the verification of events finds."""
    for position, body in connection.execute(_TELLING, {"own": OWN}):
        if body is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield position, _said.decode(body)


def _gone(connection: Connection, tellers: Collection[int]) -> defaultdict[int, list[int]]:
    gone: defaultdict[int, list[int]] = defaultdict(list)
    for position, teller in connection.execute(_GONE, {"first": min(tellers), "last": max(tellers)}):
        if teller in tellers:
            gone[teller].append(position)
    return gone
