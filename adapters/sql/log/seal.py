"""Seals an entry: computes what depends on neither its position nor the log, outside the append lock."""

import os

from adapters.sql.log.entries import Entry, Sealed
from core.event import Reading
from core.header_codec import pack
from core.headers import to_lines
from core.ids import Ids
from core.proofs.leaf import commitment

SALT = 16
"""Bytes of the salt of the commitment to headers and body."""


def seal(ids: Ids, entry: Entry) -> Sealed:
    """The entry's key, its headers as stored, a salt, and the commitment to headers and body under it."""
    lines, salt = to_lines(entry.headers), os.urandom(SALT)
    reading = entry.reading
    at = reading.occurred_at if entry.keyed_by_body and isinstance(reading, Reading) else None
    key = ids.key(entry.source, entry.identity, at)
    return Sealed(key, pack(lines), salt, commitment(salt, lines, entry.body))
