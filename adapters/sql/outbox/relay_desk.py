"""Operators' actions on the outbox: pause a source, resume it, retry or drop its dead deliveries.

Each is recorded in the log, in the transaction that does it.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Engine

from adapters.sql.database.facts import paused_name
from adapters.sql.database.transactions import Transactions
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from core.event import Instant

CHUNK = 500
"""Dead deliveries that are retried or dropped in one transaction."""

_PAUSE = "INSERT INTO service (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
_RESUME = "DELETE FROM service WHERE name = ?"
_SOME_DEAD = (
    "SELECT position FROM relays WHERE source = ? AND dead_at IS NOT NULL AND position > ? "
    f"ORDER BY position LIMIT {CHUNK}"
)
_ONE_DEAD = "SELECT position FROM relays WHERE source = ? AND dead_at IS NOT NULL AND position = ?"
_REVIVE = (
    "UPDATE relays SET due = ?, dead_at = NULL, attempts = 0, first_at = NULL "
    "WHERE source = ? AND position = ? AND dead_at IS NOT NULL RETURNING position"
)
_DROP = "DELETE FROM relays WHERE source = ? AND position = ? AND dead_at IS NOT NULL RETURNING position"


class RelayDesk:
    """The operators' actions. `log` is this process's."""

    def __init__(self, engine: Engine, log: Log, recorder: Recorder, clock: Callable[[], Instant]) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._log = log
        self._recorder = recorder
        self._clock = clock

    def pause(self, source: str, by: str | None = None) -> None:
        """Pauses a source's deliveries until `resume`. Pending attempts end."""
        values = (paused_name(source), str(self._clock()))
        self._log.append_with(
            self._recorder.entry("relay_paused", by, source=source),
            lambda cursor, _: self._dialect.run(cursor, _PAUSE, *values),
        )

    def resume(self, source: str, by: str | None = None) -> None:
        """Resumes a source's deliveries."""
        self._log.append_with(
            self._recorder.entry("relay_resumed", by, source=source),
            lambda cursor, _: self._dialect.run(cursor, _RESUME, paused_name(source)),
        )

    def retry(self, source: str, position: int | None = None, by: str | None = None) -> int:
        """Retries dead deliveries, all of a source or one, before later ones of their streams; returns how many."""
        return self._with_dead("relay_retried", source, position, by, lambda at: (_REVIVE, self._clock(), source, at))

    def drop(self, source: str, position: int | None = None, by: str | None = None) -> int:
        """Drops dead deliveries for ever; returns how many. Their events stay."""
        return self._with_dead("relay_dropped", source, position, by, lambda at: (_DROP, source, at))

    def _with_dead(
        self, kind: str, source: str, position: int | None, by: str | None, statement: Callable[[int], tuple[Any, ...]]
    ) -> int:
        done = 0
        for some in self._dead(source, position):
            entry = self._recorder.entry(kind, by, source=source, positions=some)

            def act(cursor: Any, _: int, some: list[int] = some) -> int:
                return sum(len(self._dialect.run(cursor, *statement(at)).fetchall()) for at in some)

            done += self._log.append_with(entry, act)[1]
        return done

    def _dead(self, source: str, position: int | None) -> Iterator[list[int]]:
        if position is not None:
            if some := self._positions(_ONE_DEAD, source, position):
                yield some
            return
        last = 0
        while some := self._positions(_SOME_DEAD, source, last):
            yield some
            last = some[-1]

    def _positions(self, sql: str, *values: Any) -> list[int]:
        return [position for (position,) in self._transactions.rows(sql, *values)]
