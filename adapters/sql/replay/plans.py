"""Planned replays: the difference is computed and stored first, and the replay begins once somebody confirms it."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Insert
from adapters.sql.projections.refold import fault
from adapters.sql.replay.build import ReplayRefused
from adapters.sql.replay.builders import is_running, this_process
from adapters.sql.replay.difference import Difference
from adapters.sql.replay.replay import Replay
from core.event import SECOND, Instant

PLANNING, PLANNED, REPLAYING, DONE, FAILED = "planning", "planned", "replaying", "done", "failed"

KEPT = 100
"""The most plans, the newest ones. What a replay did is an event in the log."""

_PLANS = Insert(tables.replays)
_COLUMNS = ", ".join(_PLANS.names)
_ONE = f"SELECT {_COLUMNS} FROM replays WHERE id = ?"
_NEWEST = f"SELECT {_COLUMNS} FROM replays ORDER BY asked_at DESC, id LIMIT {KEPT}"
_DROP = f"DELETE FROM replays WHERE id NOT IN (SELECT id FROM replays ORDER BY asked_at DESC, id LIMIT {KEPT - 1})"
_AT_WORK = f"SELECT {_COLUMNS} FROM replays WHERE status IN ('planning', 'replaying')"
_DAY: Instant = 86_400 * SECOND
_CONFIRM = "UPDATE replays SET status = 'replaying', told_by = ? WHERE id = ? AND status = 'planned'"


_difference = msgspec.json.Decoder(Difference)


class Plan(msgspec.Struct):
    """A planned replay. `report` is a Difference as JSON once it is computed; `told_by` is the working process."""

    id: str
    asked_at: Instant
    machines: str
    status: str
    told_by: str
    report: bytes | None = None
    error: str | None = None

    def difference(self) -> Difference | None:
        """What would change, as far as it is computed."""
        return _difference.decode(self.report) if self.report else None


class Plans:
    """The newest plans. Thread-safe. One thread of all processes works on one plan at a time.

    A plan whose process was killed counts as failed. `replay` builds a Replay for the name of the actor, or None if
    unknown.
    """

    def __init__(self, engine: Engine, replay: Callable[[str | None], Replay], clock: Callable[[], Instant]) -> None:
        self._transactions = Transactions(engine)
        self._written = self._transactions
        self._replay = replay
        self._clock = clock
        self._working: set[tuple[str, str]] = set()

    def read_from(self, engine: Engine) -> "Plans":
        """The same plans, read from a replica."""
        other = Plans(engine, self._replay, self._clock)
        other._written, other._working = self._written, self._working
        return other

    def newest(self) -> list[Plan]:
        """All stored plans, the newest first."""
        return self._ask(_NEWEST)

    def get(self, name: str) -> Plan | None:
        """One plan."""
        return next(iter(self._ask(_ONE, name)), None)

    def plan(self, machines: Sequence[str]) -> Plan:
        """Starts to compute what a replay of these machines (none: all) would change. Raises ReplayRefused while
        another plan is at work.
        """
        plan = Plan(uuid4().hex, self._clock(), " ".join(machines), PLANNING, this_process())
        with self._transactions.turn() as cursor:
            self._check_idle(cursor)
            cursor.execute(_DROP)
            self._transactions.dialect.insert(cursor, _PLANS, [msgspec.structs.astuple(plan)])
            self._working.add((plan.id, PLANNING))
        self._start(plan, PLANNING, self._compare)
        return plan

    def confirm(self, name: str, by: str | None = None) -> Plan | None:
        """Starts the replay of a computed plan, recorded as done by `by`.

        Raises ReplayRefused if it is not computed, was confirmed before, or another one is at work.
        """
        plan = self.get(name)
        if plan is None:
            return None
        with self._transactions.turn() as cursor:
            self._check_idle(cursor, but=name)
            if self._transactions.dialect.run(cursor, _CONFIRM, this_process(), name).rowcount != 1:
                raise ReplayRefused(f"the plan is {plan.status}: only one that is {PLANNED} can be confirmed, and once")
            self._working.add((name, REPLAYING))
        self._start(plan, REPLAYING, partial(self._rebuild, by))
        return self.get(name)

    def serve(self, version: str, by: str | None = None) -> None:
        """Makes a built version serve, an older or a newer one, recorded as done by `by`.

        Raises ReplayRefused if it is not built or a replay is at work.
        """
        with self._transactions.reading() as cursor:
            self._check_idle(cursor)
        self._replay(by).rollback((), version)

    def _start(self, plan: Plan, doing: str, work: Callable[[Plan], None]) -> None:
        threading.Thread(target=self._run, args=(plan, doing, work), name="hookfold-replay", daemon=True).start()

    def _run(self, plan: Plan, doing: str, work: Callable[[Plan], None]) -> None:
        try:
            work(plan)
        except Exception as error:  # noqa: BLE001 - whoever asks for the plan is told
            told = str(error) if isinstance(error, ReplayRefused) else fault(error)
            structlog.get_logger().error("replay_failed", plan=plan.id, error=told)
            with suppress(Unavailable):
                self._update(plan, status=FAILED, error=told)
        finally:
            self._working.discard((plan.id, doing))

    def _check_idle(self, cursor: Any, but: str = "") -> None:
        cursor.execute(_AT_WORK)
        for plan in [Plan(*row) for row in cursor.fetchall()]:
            if plan.id != but and self._is_at_work(plan):
                raise ReplayRefused(f"replay {plan.id} is {plan.status}: one at a time; ask again when it has ended")

    def _is_at_work(self, plan: Plan) -> bool:
        """Whether the plan's process still works. On another machine this is unknown: a day is the limit."""
        if plan.told_by == this_process():
            return (plan.id, plan.status) in self._working
        running = is_running(plan.told_by)
        return self._clock() - plan.asked_at < _DAY if running is None else running

    def _as_it_is(self, plan: Plan) -> Plan:
        if plan.status not in {PLANNING, REPLAYING} or self._is_at_work(plan):
            return plan
        # The process writes its outcome before it ends, perhaps since the plan was read.
        (found,) = self._read(self._written, _ONE, plan.id) or [plan]
        if found.status != plan.status:
            return self._as_it_is(found)
        plan.status, plan.error = FAILED, "the process that was at work has ended: plan it again"
        return plan

    def _compare(self, plan: Plan) -> None:
        *_, found = self._replay(None).compare(plan.machines.split())
        self._update(plan, status=PLANNED, report=msgspec.json.encode(found))

    def _rebuild(self, by: str | None, plan: Plan) -> None:
        self._replay(by).rebuild(plan.machines.split(), lambda _: None)
        self._update(plan, status=DONE)

    def _update(self, plan: Plan, **changes: Any) -> None:
        assignments = ", ".join(f"{name} = ?" for name in changes)
        sql = f"UPDATE replays SET {assignments} WHERE id = ?"
        with self._transactions.beside() as cursor:
            self._transactions.dialect.run(cursor, sql, *changes.values(), plan.id)

    def _ask(self, sql: str, *parameters: str) -> list[Plan]:
        return [self._as_it_is(plan) for plan in self._read(self._transactions, sql, *parameters)]

    @staticmethod
    def _read(transactions: Transactions, sql: str, *parameters: str) -> list[Plan]:
        return [Plan(*row) for row in transactions.rows(sql, *parameters)]
