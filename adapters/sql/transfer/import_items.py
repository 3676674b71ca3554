"""The items of an import (events, deliveries, erased streams) and its resulting counts."""

import msgspec

from adapters.sql.log.entries import Entry
from adapters.sql.transfer.export_reader import ExportedDelivery
from core.event import Instant
from core.proofs.leaf import Columns


class ImportedEvent(msgspec.Struct, gc=False):
    """An event of another log, from one line of its export. `headers` are field lines, `origin` is as stored.

    `entry` is this code's reading of it. Its stream is that of the columns, with its `kind` and the provider's `name`.
    `sent` is an unknown type as sent. An erased event has no headers, body and salt. `erased` and `retracted` are the
    positions of the events that record it. `duplicates` are the counted ones: number, and head and recorded_at of the
    last one; `conflicts` likewise, and those of the first one.
    """

    line: int
    entry: Entry
    columns: Columns
    key: bytes
    leaf: bytes
    headers: bytes | None
    salt: bytes | None
    kind: str | None = None
    name: str | None = None
    sent: str | None = None
    origin: bytes | None = None
    erased: int | None = None
    retracted: int | None = None
    duplicates: tuple[int, int, Instant] | None = None
    conflicts: tuple[int, int, Instant, int, Instant] | None = None

    @property
    def folded(self) -> bool:
        """Whether the fold takes the event."""
        return self.erased is None and self.retracted is None


class ImportedDelivery(ExportedDelivery, kw_only=True, gc=False):
    """The same from a line of an export; `headers` are field lines."""

    line: int


class ErasedRemainder(msgspec.Struct, gc=False):
    """The remainder of a stream that was erased there. `measured` is JSON."""

    line: int
    source: str
    stream: str
    kind: str
    opened: int
    position: int
    measured: bytes
    snapshot: bytes


class LastPosition(msgspec.Struct, gc=False):
    """The highest position that the export mentions, since an entry of Hookfold's own may follow all events."""

    line: int
    position: int


class ImportOutcome(msgspec.Struct):
    """The result of an import.

    `kept` events have their old positions, `appended` ones new positions. `known` ones were here before; the key of
    `conflicts` was, with another body. `erased` and `retracted` ones are left out if positions cannot be kept. `whole`
    counts streams that were erased there but not here; they remain. `placeholders` fill positions that the export left
    out. `strangers` are deliveries that are left out: rejections, and those whose event is not here.
    """

    kept: int = 0
    appended: int = 0
    known: int = 0
    conflicts: int = 0
    erased: int = 0
    retracted: int = 0
    whole: int = 0
    placeholders: int = 0
    deliveries: int = 0
    known_deliveries: int = 0
    strangers: int = 0

    def add(self, other: "ImportOutcome") -> None:
        """Adds another outcome's numbers."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Unimportable(Exception):
    """This log cannot take a line of the export. Nothing of its batch was taken."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why
