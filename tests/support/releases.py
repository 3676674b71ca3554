"""Processes of different releases over one database: each has its own code, which is its machines."""

import dataclasses
from collections.abc import Mapping
from itertools import count
from types import FunctionType
from typing import Any

from adapters.sql import Code, Source
from adapters.sql.dialects.dialect import dialect_of
from adapters.sql.log.projector import Projector
from adapters.sql.replay.build import Builder, FoldFailure, ReplayProgress
from core.folding import fold
from core.machines import session
from core.states.table import On, declare
from tests.support.logs import IDS, NOON, Bench

ACTIVE, RECOVERING = session.Session.ACTIVE, session.Session.RECOVERING


class Release(Bench):
    """A process of a release. `heard`: what its builds told."""

    def __init__(self, url: str, machines: Mapping[str, fold.StateMachine] = fold.MACHINES, helpers: int = 0) -> None:
        super().__init__(url)
        self.machines = machines
        self.code = Code(IDS, self.views, machines)
        self.log._projector = Projector(dialect_of(self.engine), self.code)
        self.heard: list[ReplayProgress | FoldFailure] = []
        ticks = count(NOON + 10**9)
        self.builder = Builder(self.engine, self.code, lambda: next(ticks), helpers)

    def rebuild(self, *names: str) -> None:
        """`hookfold replay`."""
        self.builder.finish(self.builder.build(names or tuple(self.machines), self.heard.append))

    def states(self, machine: str) -> dict[str, tuple[Any, ...]]:
        """Stream -> what this release's own version has of it."""
        version = self.own(machine)
        columns = "stream, state, outcome, user_id, opened, position, anomalies, conflicts, snapshot"
        rows = self.rows(f"SELECT {columns} FROM projections WHERE fingerprint = '{version}'")
        return {row[0]: tuple(row[1:]) for row in rows}

    def own(self, machine: str) -> str:
        """The name of this release's version."""
        with self.engine.connect() as connection:
            cursor: Any = connection.connection.cursor()
            from adapters.sql.projections.versions import all_versions, own_version

            found = own_version(all_versions(cursor), machine, self.machines[machine].fingerprint)
        return found.version if found else ""

    def statuses(self, machine: str) -> list[str]:
        rows = self.rows(f"SELECT status FROM versions WHERE machine = '{machine}' ORDER BY registered_at, version")
        return [status for (status,) in rows]

    def marks(self) -> int:
        return int(self.rows("SELECT count(*) FROM unfolded")[0][0])


def changed() -> dict[str, fold.StateMachine]:
    """A release in which a recovery from nothing makes the session active at once."""
    rows = [_changed(row) for row in session.table.rows]
    table = declare(name="session", states=session.Session, initial=session.IDLE, rows=rows)
    step = FunctionType(session.step.__code__, {**session.step.__globals__, "table": table})
    kind = dataclasses.replace(session.session, tables=(table,), step=step)
    return {**fold.MACHINES, "session": kind}


def faulty(stream_type: str) -> dict[str, fold.StateMachine]:
    """A release whose measurement machine raises at events of that type."""
    kind = fold.MACHINES["measurement"]

    def step(state: Any, event: Any, settings: Any) -> Any:
        if event.type == stream_type:
            raise ZeroDivisionError("with ada@example.com in its words")
        return kind.step(state, event, settings)

    return {**fold.MACHINES, "measurement": dataclasses.replace(kind, step=step)}


def _changed(row: On) -> On:
    unexpected = row.trigger == "session_recovery" and row.marks == "unexpected"
    return On(row.trigger, row.source, ACTIVE, does=row.does, marks=row.marks) if unexpected else row


__all__ = ["Release", "Source", "changed", "faulty"]
