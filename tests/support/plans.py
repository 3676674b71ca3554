"""What a database does for every statement that really runs, asked on the very connection that ran it."""

import re
import sqlite3
from collections.abc import Iterator
from itertools import count, takewhile
from typing import Any

import psycopg
from sqlalchemy import Engine, event

_PLANNED = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_AS_IF_LARGE = [b"SET LOCAL enable_seqscan = off", b"SET LOCAL enable_sort = off", b"SET LOCAL enable_bitmapscan = off"]
_PARAMETER = re.compile(r"%(?:\((\w+)\))?[stb]")


class Plans:
    """Notes every statement that an engine's connections run from now on.

    `as_if_large`: PostgreSQL, which reads a small table as a whole and rightly so, is asked what it would do otherwise.
    """

    def __init__(self, engine: Engine, *, as_if_large: bool) -> None:
        self._ran: dict[str, tuple[Any, Any]] = {}
        self._settings = _AS_IF_LARGE if as_if_large else []
        self._sqlite = engine.dialect.name == "sqlite"
        engine.dispose()
        event.listen(engine, "do_connect", self._with_notes)

    def told(self) -> dict[str, list[str]]:
        """Statement -> steps of its plan, of those that ran since this was asked last."""
        ran, self._ran = self._ran, {}
        if self._sqlite:
            return {sql: _sqlite_steps(connection, sql, given) for sql, (connection, given) in ran.items()}
        return {sql: _postgresql_steps(connection, sql, self._settings) for sql, (connection, _) in ran.items()}

    def note(self, connection: Any, sql: Any, parameters: Any = ()) -> None:
        text = sql.decode() if isinstance(sql, bytes) else str(sql)
        if _PLANNED.match(text):
            self._ran[text] = (connection, parameters)

    def _with_notes(self, _dialect: Any, _record: Any, _positional: Any, named: dict[str, Any]) -> None:
        if self._sqlite:
            named["factory"] = _sqlite_noting(self, named["factory"])
        else:
            named["cursor_factory"] = _postgresql_noting(self)


def _sqlite_noting(plans: Plans, base: Any) -> type[sqlite3.Connection]:
    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            plans.note(self.connection, sql, parameters)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, rows: Any, /) -> Any:
            plans.note(self.connection, sql, rows[0])
            return super().executemany(sql, rows)

    class Connection(base):  # type: ignore[misc]
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

    return Connection


def _postgresql_noting(plans: Plans) -> type[psycopg.Cursor[Any]]:
    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *given: Any, **options: Any) -> Any:
            plans.note(self.connection, query)
            return super().execute(query, *given, **options)

        def executemany(self, query: Any, *given: Any, **options: Any) -> Any:
            plans.note(self.connection, query)
            return super().executemany(query, *given, **options)

    return Cursor


def _sqlite_steps(connection: sqlite3.Connection, sql: str, parameters: Any) -> list[str]:
    cursor = sqlite3.Connection.cursor(connection, sqlite3.Cursor)
    return [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


def _postgresql_steps(connection: psycopg.Connection[Any], sql: str, settings: list[bytes]) -> list[str]:
    """The plan that holds for all values of the parameters, under these settings and those of the connection."""
    numbers, named = count(1), dict[str, int]()

    def numbered(found: re.Match[str]) -> str:
        name = found.group(1)
        return f"${next(numbers) if name is None else named.setdefault(name, len(named) + 1)}"

    asked = f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {_PARAMETER.sub(numbered, sql).replace('%%', '%')}"
    for setting in settings:
        psycopg.Cursor(connection).execute(setting)
    steps = [step for (step,) in psycopg.Cursor(connection).execute(asked.encode())]
    connection.rollback()
    return steps


GROWING = {
    *("events", "payloads", "streams", "projections", "measurements", "deliveries", "nodes", "checkpoints"),
    *("duplicates", "conflicts", "erased", "retractions", "unfolded", "relays", "runs"),
}
_NAMED = re.compile(r"\b(stream|measurement|position) IN \(|measurement_id = |FROM versions|verdict = 'duplicate'")
"""What is named one by one is little, and so are versions and the duplicates on record: these may be sorted."""

_WHOLE_SOURCE = re.compile(r"\(source=\?\)|Index Cond: \((\w+\.)?source = [^()]*\)$")

_WHETHER_ANY = re.compile(r"SELECT 1 FROM \w+ WHERE source = (\?|%s) LIMIT 1")
"""The first row that the index has of a source is the answer: no more is read."""

_BOUNDED = re.compile(r"SELECT min\(due\) FROM relays |FROM relays\b.*\bLIMIT ", re.DOTALL)
"""What waits at a source is counted and read up to a limit, in the order of an index."""


def reads_too_much(sql: str, steps: list[str]) -> bool:
    """Whether a statement reads the whole of a table that grows, or of a source, or sorts more than a page holds."""
    if _WHETHER_ANY.fullmatch(sql) or _BOUNDED.search(sql):
        return any(_scans(sql, step) for step in steps)
    whole = any(_scans(sql, step) or _WHOLE_SOURCE.search(step) for step in steps)
    whole = whole or any(_scans_index(sql, steps, number) for number in range(len(steps)))
    return whole or (not _NAMED.search(sql) and _sorts(steps))


def _scans(sql: str, step: str) -> bool:
    found = re.search(r"Seq Scan on (\w+)|^SCAN (\w+)$", step)
    if found is None:
        return False
    return _grows(sql, found.group(1) or found.group(2))


def _scans_index(sql: str, steps: list[str], number: int) -> bool:
    """Whether an index is read from end to end: nothing says where to begin, and nothing when it is enough."""
    whole = re.fullmatch(r"SCAN (\w+) USING (?:COVERING )?INDEX \w+", steps[number])
    if whole is not None:
        return _grows(sql, whole.group(1)) and " LIMIT " not in sql
    found = re.search(r"Index (?:Only )?Scan (?:Backward )?using \w+ on (\w+)", steps[number])
    if found is None or not _grows(sql, found.group(1)):
        return False
    own = takewhile(lambda step: "->" not in step, _below(steps, number))
    return not any("Index Cond" in step for step in own) and not any("Limit" in step for step in _above(steps, number))


def _grows(sql: str, name: str) -> bool:
    alias = re.search(rf"(?:FROM|JOIN) (\w+) (?:AS )?{name}\b", sql)
    return (alias.group(1) if alias else name) in GROWING


def _sorts(steps: list[str]) -> bool:
    """SQLite sorts what stands above it, PostgreSQL what is indented below. Limited pages may be merged."""
    for number, step in enumerate(steps):
        if step.startswith("USE TEMP B-TREE FOR") and "PART OF" not in step:
            if not steps[number - 1].startswith("SCAN anon_"):
                return True
        elif step.strip(" ->") == "Sort" and not any("Limit" in one for one in _below(steps, number)):
            return True
    return False


def _below(steps: list[str], number: int) -> Iterator[str]:
    """The steps that feed this one."""
    depth = _depth(steps[number])
    return takewhile(lambda step: _depth(step) > depth, steps[number + 1 :])


def _above(steps: list[str], number: int) -> Iterator[str]:
    """The steps that this one feeds, the nearest first."""
    depth = _depth(steps[number])
    for step in reversed(steps[:number]):
        if ("->" in step or _depth(step) == 0) and _depth(step) < depth:
            depth = _depth(step)
            yield step


def _depth(step: str) -> int:
    return len(step) - len(step.lstrip(" "))
