"""Verifies events one by one: recomputes each leaf from the event's columns and payload."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from adapters.sql.audit.discrepancy import DiscrepancyFound
from adapters.sql.database.joins import HEAD, PAYLOAD
from adapters.sql.database.tables import events, payloads
from adapters.sql.projections.stored_events import BodyReader
from core.event import Reading
from core.header_codec import unpack
from core.proofs.leaf import Columns, commitment, leaf

_COLUMNS = [events.c[name] for name in Columns.__struct_fields__ if name != "commitment"]
_POSITION, _SOURCE, _READING, _KEY = map(Columns.__struct_fields__.index, ("position", "source", "reading", "key"))
_PAYLOAD = [
    payloads.c[name] for name in ("position", "type", "headers", "body", "salt", "origin", "commitment", "erased")
]
_ROWS = (
    select(*_COLUMNS, events.c.leaf, *_PAYLOAD)
    .join_from(events, payloads, PAYLOAD, isouter=True)
    .where(events.c.position > bindparam("after"), events.c.position <= bindparam("end"))
    .order_by(events.c.position)
)


class Events:
    """Yields the verified leaves of the log in order.

    `erased` counts events without payload, `unchecked` unknown types of sources without a reader.
    """

    def __init__(self, connection: Connection, readers: Mapping[str, BodyReader]) -> None:
        self._connection = connection
        self._readers = readers
        self.erased = 0
        self.unchecked = 0

    def leaves(self, after: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(position, leaf) of every position after `after` up to `end`. Raises DiscrepancyFound."""
        expected = after + 1
        for row in self._rows(after, end):
            if row[_POSITION] != expected:
                self._check_place(row[_POSITION], expected)
            yield expected, self._leaf(expected, row)
            expected += 1
        if expected <= end:
            raise DiscrepancyFound(expected, "log", "there is no event at this position")

    def _rows(self, after: int, end: int) -> Sequence[Any]:
        try:
            return self._connection.execute(_ROWS, {"after": after, "end": end}).all()
        except Exception:
            self._find_unreadable(after, end)
            raise

    def _find_unreadable(self, after: int, end: int) -> None:
        """Finds a value that the driver cannot read by reading the events one by one."""
        if self._connection.dialect.name == "postgresql":
            self._connection.rollback()
        self._connection.execute(HEAD)  # raises if the database is away
        for position in range(after + 1, end + 1):
            try:
                self._connection.execute(_ROWS, {"after": position - 1, "end": position}).all()
            except Exception as error:
                raise DiscrepancyFound(position, "event", f"it cannot be read: {type(error).__name__}") from error

    @staticmethod
    def _check_place(position: int, expected: int) -> None:
        if position < expected:
            raise DiscrepancyFound(position, "log", "there are two events at this position")
        raise DiscrepancyFound(expected, "log", "there is no event at this position")

    def _leaf(self, position: int, row: Any) -> bytes:
        *columns, stored, held, kind, headers, body, salt, origin, sealed, erased = row
        if held is None:
            raise DiscrepancyFound(position, "payload", "it is missing")
        if erased is not None:
            self._check_erased(position, sealed, (kind, headers, body, salt, origin))
        elif sealed is not None:
            raise DiscrepancyFound(position, "payload", "it is there and sealed as if it were erased")
        try:
            covered = commitment(salt, unpack(headers), body, origin) if sealed is None else sealed
            recomputed = _leaf_of(columns, covered)
        except Exception as error:  # a value of a type that was never written; the exception may be any
            raise DiscrepancyFound(
                position, "event", f"it holds what was never written: {type(error).__name__}"
            ) from error
        if recomputed != stored:
            raise DiscrepancyFound(
                position, "event", "the event, its payload or its leaf hash is not what was recorded"
            )
        if kind is not None or columns[_READING] == "unknown_type":
            self._check_type(position, columns, kind, body)
        return recomputed

    def _check_erased(self, position: int, sealed: bytes | None, rest: Sequence[bytes | None]) -> None:
        """Checks that nothing of an erased payload remains but what the leaf covers."""
        self.erased += 1
        if sealed is None or any(value is not None for value in rest):
            raise DiscrepancyFound(position, "payload", "it is neither there as a whole nor erased as a whole")

    def _check_type(self, position: int, columns: Sequence[Any], kind: str | None, body: bytes | None) -> None:
        """Checks that an unknown type, which the leaf does not cover, is the one in the body."""
        read = self._readers.get(columns[_SOURCE])
        if columns[_READING] != "unknown_type":
            raise DiscrepancyFound(position, "payload", "it has a type of its own, which only an unknown type has")
        if body is None:
            return
        if read is None:
            self.unchecked += 1
            return
        reading = read(None, body)
        if isinstance(reading, Reading) and kind not in (reading.type, reading.type.replace("\\u005c", "\\")):
            raise DiscrepancyFound(position, "payload", "its type is not what the body says")


def _leaf_of(columns: Sequence[Any], sealed: bytes) -> bytes:
    columns = [*columns, sealed.hex()]
    columns[_KEY] = columns[_KEY].hex()
    return leaf(Columns(*columns))
