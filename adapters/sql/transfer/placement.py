"""An imported event's position in this log, and its rows."""

import os

import msgspec

from adapters.sql.dialects.dialect import Row
from adapters.sql.log.entries import Entry
from adapters.sql.log.own_events import NOBODY, OWN
from adapters.sql.log.touched_streams import NewEvent
from adapters.sql.transfer.import_items import ImportedEvent, Unimportable
from core.event import Instant, Unreadable
from core.header_codec import pack
from core.proofs.leaf import Columns, commitment, leaf


class Placement:
    """An imported event at its position here: unchanged (`kept`) or as a new event."""

    __slots__ = ("kept", "new", "recorded_at", "taken")

    def __init__(self, taken: ImportedEvent, position: int, recorded_at: Instant, *, kept: bool) -> None:
        self.taken = taken
        self.kept = kept
        self.recorded_at = recorded_at
        self.new = NewEvent(position, taken.entry, taken.key, taken.columns.stream)
        if not taken.folded:
            self.new.opened = taken.columns.opened

    def rows(self) -> tuple[Row, Row]:
        """The rows of `events` and `payloads`."""
        taken, columns, found, origin = self.taken, self.taken.columns, self.taken.leaf, self.taken.origin
        if not self.kept:
            origin = origin or _origin(columns)
            sealed = commitment(taken.salt or b"", taken.headers or b"", taken.entry.body, origin).hex()
            here = {"position": self.new.position, "opened": self.new.opened, "recorded_at": self.recorded_at}
            columns = msgspec.structs.replace(columns, commitment=sealed, **here)
            found = leaf(columns)
        elif columns.opened != self.new.opened:
            why = f"its stream began at {columns.opened} there and at {self.new.opened} here: import with new positions"
            raise Unimportable(taken.line, why)
        source, position = columns.source, columns.position
        event = (
            *(source, position, columns.stream, columns.opened, columns.reading, columns.type, columns.sequence),
            *(columns.occurred_at, columns.received_at, columns.recorded_at, taken.key, columns.verified_by, found),
        )
        payload: Row = (pack(taken.headers or b""), taken.entry.body, taken.salt, origin, None, None)
        if taken.erased is not None:
            payload = (None, None, None, None, bytes.fromhex(columns.commitment), taken.erased)
        return event, (source, position, taken.sent, *payload)


def _origin(columns: Columns) -> bytes:
    return msgspec.json.encode({"position": columns.position, "recorded_at": columns.recorded_at})


def placeholder(position: int, at: Instant, key: bytes) -> ImportedEvent:
    """A placeholder for an entry of Hookfold's own that the export left out, so that positions have no gaps."""
    body = msgspec.json.encode({"type": "left_out", "who": NOBODY, "through": "import", "at": at})
    headers, salt = b"", os.urandom(16)
    sealed = commitment(salt, headers, body).hex()
    columns = Columns(position, OWN, None, None, "ok", "left_out", None, None, at, at, key.hex(), None, sealed)
    entry = Entry(OWN, at, [], body, None, b"", Unreadable("nothing of a stream"))
    return ImportedEvent(0, entry, columns, key, leaf(columns), headers, salt)
