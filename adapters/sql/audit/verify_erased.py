"""Verifies that an event of ours tells of every payload that is gone."""

from itertools import groupby
from operator import itemgetter

import msgspec
from sqlalchemy import Connection, text

from adapters.sql.audit.discrepancy import DiscrepancyFound
from adapters.sql.database.joins import WITH_PAYLOAD
from adapters.sql.log.own_events import OWN

_GONE = text(
    f"SELECT e.position, e.stream, p.erased FROM events e {WITH_PAYLOAD} "
    "WHERE e.position > :after AND e.position <= :end AND p.erased IS NOT NULL ORDER BY p.erased, e.position"
)
_TELLS = text(f"SELECT e.type, p.body FROM events e {WITH_PAYLOAD} WHERE e.source = :own AND e.position = :position")


class _Told(msgspec.Struct):
    """What the event of an erasure says that was erased: streams by our ids, events of no stream by position.

    `left_out`: an import left the event out and holds its place, which says nothing.
    """

    streams: frozenset[str] = frozenset()
    positions: frozenset[int] = frozenset()
    left_out: bool = False

    def names(self, position: int, stream: str | None) -> bool:
        return self.left_out or stream in self.streams or position in self.positions


_said = msgspec.json.Decoder(_Told)


def check_erasures(connection: Connection, after: int, end: int) -> None:
    """Raises DiscrepancyFound for the first payload after `after`, up to `end`, that is erased though no later event
    records its erasure.
    """
    gone = connection.execute(_GONE, {"after": after, "end": end}).all()
    untold: list[int] = []
    for erased, some in groupby(gone, key=itemgetter(2)):
        told = _told(connection, erased)
        untold += (at for at, stream, _ in some if told is None or erased <= at or not told.names(at, stream))
    if untold:
        raise DiscrepancyFound(min(untold), "payload", "it is erased, and no event tells of that")


def _told(connection: Connection, position: int) -> _Told | None:
    """None where no event there tells of an erasure: one that does is never erased itself, and can be read."""
    row = connection.execute(_TELLS, {"own": OWN, "position": position}).first()
    if row is None or row[0] not in {"erased", "left_out"} or row[1] is None:
        return None
    try:
        return _Told(left_out=True) if row[0] == "left_out" else _said.decode(row[1])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
