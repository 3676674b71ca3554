"""Rotates the key of a log's checkpoints, in one transaction with the event that records it."""

from typing import Any

from sqlalchemy import Engine

from adapters.sql.audit.rotations import LOG_KEY, PREFIX, ROTATED
from adapters.sql.dialects.advisory_locks import SEALING
from adapters.sql.dialects.dialect import dialect_of
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder

_REPLACE = f"UPDATE service SET value = ? WHERE name = '{LOG_KEY}' AND value = ? RETURNING name"
_KEEP = "INSERT INTO service (name, value) VALUES (?, ?)"


class NotInForce(Exception):
    """The key to be replaced no longer signs the log."""


def rotate_key(engine: Engine, log: Log, recorder: Recorder, old: str, new: str, note: str) -> int:
    """Replaces the verifier key `old` with `new` and appends `note` to the log; returns the event's position.

    Checkpoints from that position on are signed with the new key, and no checkpoint is signed meanwhile. Raises
    NotInForce if `old` does not sign the log, or Unavailable; nothing is changed then.
    """
    dialect = dialect_of(engine)

    def act(cursor: Any, position: int) -> None:
        if engine.dialect.name == "postgresql":
            cursor.execute(SEALING)
        if dialect.run(cursor, _REPLACE, new, old).fetchone() is None:
            raise NotInForce(f"{old} does not sign this log any more: another rotation came first")
        dialect.run(cursor, _KEEP, f"{PREFIX}{position}", note)

    return log.append_with(recorder.entry(ROTATED, key=new, note=note), act)[0]
