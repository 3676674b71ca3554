"""How the key of a log's checkpoints was rotated: each time an event of the log's own tells of it.

What signs looks it up among the notes of the service, a row for each rotation; what verifies reads the log itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from adapters.sql.database.joins import WITH_PAYLOAD
from adapters.sql.log.own_events import OWN

LOG_KEY = "log_key"
"""The fact that the verifier key in force stands under."""

ROTATED = "key_rotated"
"""The type of the event that tells of it."""

PREFIX = f"{LOG_KEY}:"
"""What the name of a rotation begins with among the notes of the service; the position of its event follows."""

_NOTED = text(f"SELECT name, value FROM service WHERE name LIKE '{PREFIX}%'")
_RECORDED = text(
    f"SELECT e.position, p.body FROM events e {WITH_PAYLOAD} "
    "WHERE e.source = :own AND e.type = :rotated AND p.origin IS NULL ORDER BY e.position"
)


class Rotation(NamedTuple):
    """The position of the event that tells of it, and the note in which one key vouches for the next one."""

    position: int
    note: str


class _Told(msgspec.Struct):
    """What the event of a rotation says."""

    note: str


_said = msgspec.json.Decoder(_Told)


def noted_rotations(connection: Connection) -> list[Rotation]:
    """Every rotation in the order of the log, as the service noted it. The notes bear signatures: verify them."""
    rows = connection.execute(_NOTED).all()
    return sorted(Rotation(int(name.removeprefix(PREFIX)), note) for name, note in rows)


def recorded_rotations(connection: Connection) -> list[Rotation]:
    """The same as the log's own events tell it; those of a log that was imported are of another key."""
    return list(_told(connection.execute(_RECORDED, {"own": OWN, "rotated": ROTATED})))


def _told(rows: Iterable[Any]) -> Iterator[Rotation]:
    """Of each event that can be read: what is wrong with others, the verification of events finds."""
    for position, body in rows:
        if body is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield Rotation(position, _said.decode(body).note)
