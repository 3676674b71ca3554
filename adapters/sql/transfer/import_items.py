"""What an import reads from an export (events, deliveries, erased streams) and the counts that it ends with."""

import msgspec

from adapters.sql.log.entries import Entry
from core.event import Instant
from core.leaf import Columns


class ImportedEvent(msgspec.Struct, gc=False):
    """An event of another log, from one line of its export. `headers` are field lines, `origin` is as it is stored.

    `entry` is what this code reads in it; its stream is that of the columns, of a `kind` and with the provider's `name`
    for it. `sent` is an unknown type as sent. Of an erased one, headers, body and salt are gone; `erased` and
    `retracted` are the positions of the events that tell of it. `duplicates` are those that are only counted: times,
    and head and recorded_at of the last one; `conflicts` the same, and those of the first one.
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
        """False where nothing of it moves a machine any more."""
        return self.erased is None and self.retracted is None


class ImportedDelivery(msgspec.Struct, gc=False):
    """A delivery that made no event there. `key` is that of the event that it hit; null for a rejection."""

    line: int
    source: str
    delivery: int
    verdict: str
    head: int
    key: bytes | None
    received_at: Instant
    recorded_at: Instant
    status: int
    reason: str | None
    hint: str | None
    size: int
    headers: bytes | None
    body: bytes | None


class ErasedRemainder(msgspec.Struct, gc=False):
    """What is left of a stream whose bodies were erased there; `measured` is JSON."""

    line: int
    source: str
    stream: str
    kind: str
    opened: int
    position: int
    measured: bytes
    snapshot: bytes


class LastPosition(msgspec.Struct, gc=False):
    """The highest position that anything tells of: an entry of Hookfold's own may stand behind all events."""

    line: int
    position: int


class ImportOutcome(msgspec.Struct):
    """What an import came to.

    `kept` events have their old positions, `appended` ones new ones; `known` were here before, and so was the key of a
    `conflicts` one, with another body. `erased` and `retracted` ones are left out where positions cannot be kept.
    `whole` counts streams that were erased there and not here, where they stay until somebody erases them.
    `placeholders` stand where the export left entries out. Of the deliveries, `strangers` are left out: rejections at
    another door, and those that hit an event which is not here.
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
        """Adds another one's numbers."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Unimportable(Exception):
    """A line of an export that this log cannot take. Nothing of its batch was taken."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why
