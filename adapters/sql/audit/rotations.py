"""The rotations of the key that signs a log's checkpoints. One of the log's own events records each.

Signers read them from the table `service`, a row per rotation; verifiers read the log itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from adapters.sql.database.joins import WITH_PAYLOAD
from adapters.sql.log.own_events import OWN

LOG_KEY = "log_key"
"""The name of the fact that holds the current verifier key."""

ROTATED = "key_rotated"
"""The type of the event that records a rotation."""

PREFIX = f"{LOG_KEY}:"
"""The prefix of a rotation's name in the table `service`. The position of its event follows."""

_NOTED = text(f"SELECT name, value FROM service WHERE name LIKE '{PREFIX}%'")
_RECORDED = text(
    f"SELECT e.position, p.body FROM events e {WITH_PAYLOAD} "
    "WHERE e.source = :own AND e.type = :rotated AND p.origin IS NULL ORDER BY e.position"
)


class Rotation(NamedTuple):
    """The position of the recording event, and the note in which one key vouches for the next."""

    position: int
    note: str


class _Told(msgspec.Struct):
    """What the event of a rotation says."""

    note: str


_said = msgspec.json.Decoder(_Told)


def noted_rotations(connection: Connection) -> list[Rotation]:
    """Every rotation in log order, from the table `service`. The notes are signed: verify them."""
    rows = connection.execute(_NOTED).all()
    return sorted(Rotation(int(name.removeprefix(PREFIX)), note) for name, note in rows)


def recorded_rotations(connection: Connection) -> list[Rotation]:
    """The same from the log's own events. Imported ones are left out, since they belong to another key."""
    return list(_told(connection.execute(_RECORDED, {"own": OWN, "rotated": ROTATED})))


def _told(rows: Iterable[Any]) -> Iterator[Rotation]:
    """The rotations of readable events. The verification of events finds the others."""
    for position, body in rows:
        if body is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield Rotation(position, _said.decode(body).note)
