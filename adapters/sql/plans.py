"""Replays that are planned first: what would change is worked out and kept, and somebody says yes, or does not."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql import tables
from adapters.sql.build import Refused
from adapters.sql.dialects import Insert
from adapters.sql.difference import Difference
from adapters.sql.entries import Unavailable
from adapters.sql.refold import fault
from adapters.sql.replay import Replay
from adapters.sql.transactions import Transactions
from core.event import Instant

PLANNING, PLANNED, REPLAYING, DONE, FAILED = "planning", "planned", "replaying", "done", "failed"

_PLANS = Insert(tables.replays)
_COLUMNS = ", ".join(_PLANS.names)
_ONE = f"SELECT {_COLUMNS} FROM replays WHERE id = ?"
_NEWEST = f"SELECT {_COLUMNS} FROM replays ORDER BY asked_at DESC, id LIMIT 100"
_CONFIRM = "UPDATE replays SET status = 'replaying', told_by = ? WHERE id = ? AND status = 'planned'"


class Plan(msgspec.Struct):
    """A planned replay. `report` is a Difference as JSON, once it is worked out; `told_by` the process at work."""

    id: str
    asked_at: Instant
    machines: str
    status: str
    told_by: str
    report: bytes | None = None
    error: str | None = None

    def difference(self) -> Difference | None:
        """What would change, as far as it is worked out."""
        return msgspec.json.decode(self.report, type=Difference) if self.report else None


class Plans:
    """Any thread may ask. A thread of this process does the work: one that is killed leaves its plan unfinished.

    `replay` makes what replays, of the name of who wants it; None: nobody is known.
    """

    def __init__(self, engine: Engine, replay: Callable[[str | None], Replay], clock: Callable[[], Instant]) -> None:
        self._transactions = Transactions(engine)
        self._replay = replay
        self._clock = clock

    def newest(self) -> list[Plan]:
        """At most a hundred plans."""
        return self._ask(_NEWEST)

    def get(self, name: str) -> Plan | None:
        """One plan."""
        return next(iter(self._ask(_ONE, name)), None)

    def plan(self, machines: Sequence[str]) -> Plan:
        """Begins to work out what a replay of these machines (none: of all) would change."""
        plan = Plan(uuid4().hex, self._clock(), " ".join(machines), PLANNING, _me())
        with self._transactions.beside() as cursor:
            self._transactions.dialect.insert(cursor, _PLANS, [msgspec.structs.astuple(plan)])
        self._start(plan, self._compare)
        return plan

    def confirm(self, name: str, by: str | None = None) -> Plan | None:
        """Begins the replay of a plan that is worked out, which is then on record as done by `by`.

        Raises Refused where it is not, or was confirmed before.
        """
        plan = self.get(name)
        if plan is None:
            return None
        with self._transactions.beside() as cursor:
            cursor.execute(_CONFIRM.replace("?", self._transactions.dialect.mark), (_me(), name))
            if cursor.rowcount != 1:
                raise Refused(f"the plan is {plan.status}: only one that is {PLANNED} can be confirmed, and once")
        self._start(plan, partial(self._rebuild, by))
        return self.get(name)

    def _start(self, plan: Plan, work: Callable[[Plan], None]) -> None:
        threading.Thread(target=self._run, args=(plan, work), name="hookfold-replay", daemon=True).start()

    def _run(self, plan: Plan, work: Callable[[Plan], None]) -> None:
        try:
            work(plan)
        except Exception as error:  # noqa: BLE001 - whoever asks for the plan is told
            told = str(error) if isinstance(error, Refused) else fault(error)
            structlog.get_logger().error("replay_failed", plan=plan.id, error=told)
            with suppress(Unavailable):
                self._update(plan, status=FAILED, error=told)

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
            cursor.execute(sql.replace("?", self._transactions.dialect.mark), (*changes.values(), plan.id))

    def _ask(self, sql: str, *parameters: str) -> list[Plan]:
        with self._transactions.reading() as cursor:
            cursor.execute(sql.replace("?", self._transactions.dialect.mark), parameters)
            return [Plan(*row) for row in cursor.fetchall()]


def _me() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"
