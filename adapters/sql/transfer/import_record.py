"""Holds the records of imports that kept every position until they can be appended to the log.

An entry appended at once would take the position of the exported log's next event, so no more could be imported.
"""

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Engine, select

from adapters.sql.database.tables import service
from adapters.sql.dialects.dialect import Dialect, dialect_of
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from adapters.sql.transfer.import_items import ImportOutcome

_NAME = "imported"
_HELD = f"SELECT value FROM service WHERE name = '{_NAME}'"
_HOLD = (
    f"INSERT INTO service (name, value) VALUES ('{_NAME}', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_FORGET = f"DELETE FROM service WHERE name = '{_NAME}' AND value = ? RETURNING name"


class _Overtaken(Exception):
    """Another process has recorded the import, or imported more, meanwhile."""


def hold(cursor: Any, dialect: Dialect, outcome: ImportOutcome) -> None:
    """Adds an outcome to be recorded, in the transaction of the import."""
    cursor.execute(_HELD)
    held = cursor.fetchone()
    whole = msgspec.json.decode(held[0], type=ImportOutcome) if held else ImportOutcome()
    whole.add(outcome)
    dialect.run(cursor, _HOLD, msgspec.json.encode(whole).decode())


def record_imports(engine: Engine, log: Log, recorder: Recorder) -> None:
    """Records the imports since the last record, before the log gets its own events."""

    def forget_held(held: str, cursor: Any, _position: int) -> None:
        if dialect_of(engine).run(cursor, _FORGET, held).fetchone() is None:
            raise _Overtaken

    while (held := _held(engine)) is not None:
        entry = recorder.entry("imported", **msgspec.json.decode(held))
        try:
            log.append_with(entry, partial(forget_held, held))
        except _Overtaken:
            continue


def _held(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return connection.execute(select(service.c.value).where(service.c.name == _NAME)).scalar_one_or_none()
