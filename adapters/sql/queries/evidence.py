"""Statements for evidence: events with everything that their leaves cover, and their erasure and retraction."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, null, select

from adapters.sql.database.joins import HEAD, PAYLOAD, RETRACTION
from adapters.sql.database.snapshot import repeatable_read
from adapters.sql.database.tables import erased as remainders
from adapters.sql.database.tables import events, measurements, payloads, retractions, streams
from adapters.sql.queries.events import of_stream
from core.header_codec import as_stored
from core.proofs.leaf import Columns, commitment


class RecordedEvent(NamedTuple):
    """An event as recorded. Salt, headers and body are None if erased; the commitment in `columns` stays.

    `retraction` and `erased` are the positions of our own events that record them.
    """

    columns: Columns
    leaf: bytes
    salt: bytes | None
    headers: bytes | None
    body: bytes | None
    origin: bytes | None
    erased: int | None
    retraction: int | None


_PAGE = 100
"""The most events in one statement, because bodies may be large."""

_COLUMNS = [events.c[name] for name in Columns.__struct_fields__ if name != "commitment"]
_KEY = Columns.__struct_fields__.index("key")
_EXHIBITS = (
    select(
        *(*_COLUMNS, events.c.leaf, payloads.c.salt, payloads.c.headers, payloads.c.body, payloads.c.origin),
        *(payloads.c.commitment, payloads.c.erased, retractions.c.retraction),
    )
    .join_from(events, payloads, PAYLOAD)
    .outerjoin(retractions, RETRACTION)
    .order_by(events.c.position)
)


def place_of(name: str, sources: Sequence[str]) -> Select[Any]:
    """(source, our id of the session, first position) of a measurement by our id, in any version; of a session, without
    a position.
    """
    if name.startswith("mea_"):
        query = select(measurements.c.source, measurements.c.stream, measurements.c.opened)
        return query.where(measurements.c.source.in_(sources), measurements.c.measurement == name).limit(1)
    query = select(streams.c.source, streams.c.stream, null())
    return query.where(streams.c.source.in_(sources), streams.c.stream == name, streams.c.kind == "session").limit(1)


class RecordedEvents:
    """A stream's events in one snapshot, page by page, however often they are read."""

    def __init__(self, connection: Connection, source: str, stream: str) -> None:
        self._connection = connection
        self._left = select(remainders.c.position, remainders.c.snapshot).where(
            remainders.c.source == source, remainders.c.stream == stream
        )
        self._stream = _EXHIBITS.where(*of_stream(source, stream))
        repeatable_read(connection)
        connection.execute(HEAD).scalar_one()

    def pages(self) -> Iterator[list[RecordedEvent]]:
        """The stream's events by position."""
        after = 0
        while page := list(self._read(self._stream.where(events.c.position > after).limit(_PAGE))):
            after = page[-1].columns.position
            yield page

    def pages_at(self, positions: Iterable[int]) -> Iterator[list[RecordedEvent]]:
        """Events of any streams by position, in the given order."""
        asked = iter(positions)
        while some := list(islice(asked, _PAGE)):
            found = {one.columns.position: one for one in self._read(_EXHIBITS.where(events.c.position.in_(some)))}
            yield [found[position] for position in some]

    def left(self) -> tuple[int, bytes] | None:
        """The state that an erasure kept of the stream, and the position of the event that records it."""
        row = self._connection.execute(self._left).first()
        return None if row is None else (row[0], bytes(row[1]))

    def _read(self, query: Select[Any]) -> Iterator[RecordedEvent]:
        return _exhibits(self._connection, query)


def _exhibits(connection: Connection, query: Select[Any]) -> Iterator[RecordedEvent]:
    for *columns, leaf, salt, headers, body, origin, sealed, erased, retraction in connection.execute(query):
        columns[_KEY] = bytes(columns[_KEY]).hex()
        lines: Any = None if headers is None else as_stored(headers)
        kept = sealed if body is None else commitment(salt, lines, body, origin)
        yield RecordedEvent(Columns(*[*columns, kept.hex()]), leaf, salt, lines, body, origin, erased, retraction)
