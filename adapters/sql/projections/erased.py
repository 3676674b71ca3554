"""Streams whose bodies were destroyed: the state that they had come to, onto which all that comes later is folded."""

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from core import fold

_BASES = Lookup("t.source, t.stream, t.position, t.measured, t.snapshot", tables.erased, ("source", "stream"))
_KEEP = Insert.upsert(tables.erased)


class Base(msgspec.Struct, frozen=True, gc=False):
    """What is left of a stream. `position`: of the event that tells of the erasure.

    `measured`: our ids of its measurements by their first positions; nobody can derive them again.
    """

    position: int
    measured: dict[int, str]
    snapshot: bytes

    def state(self, machine: fold.Kind) -> Any:
        """A state of its own. Raises msgspec.DecodeError where the machine's states look otherwise by now."""
        return fold.decode(machine, self.snapshot)


def bases(cursor: Any, dialect: Dialect, streams: Sequence[Row]) -> dict[Row, Base]:
    """Those of the (source, stream) that were erased."""
    return {
        (source, stream): Base(position, msgspec.json.decode(measured, type=dict[int, str]), snapshot)
        for source, stream, position, measured, snapshot in dialect.lookup(cursor, _BASES, streams)
    }


def keep(cursor: Any, dialect: Dialect, kept: Sequence[tuple[str, str, Base]]) -> None:
    """Records what is left of (source, stream)."""
    rows = [
        (source, stream, base.position, msgspec.json.encode(base.measured), base.snapshot)
        for source, stream, base in kept
    ]
    dialect.insert(cursor, _KEEP, rows)
