"""The filters of lists in two forms: a condition in SQL for stored rows, a predicate for rows folded as of a time.

A test holds the two forms equal. The keyset `before` is no filter: each list orders its pages itself.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, and_, false, func, literal_column, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from adapters.sql.database.tables import MAY_BE_DUE
from core.event import Instant

# A partial index is taken only where the statement itself says its condition, without a parameter.
_ZERO: ColumnElement[int] = literal_column("0")


class Filter(NamedTuple):
    """Compares a column with a value. `matches` is never called with NULL, which matches nothing in SQL."""

    column: str
    condition: Callable[[Any, Any], ColumnElement[bool]]
    matches: Callable[[Any, Any], bool]


Filters = dict[str, Filter]


def _equal(column: str) -> Filter:
    return Filter(column, operator.eq, operator.eq)


def _among(column: str) -> Filter:
    return Filter(column, lambda column, names: column.in_(names), lambda value, names: value in names)


def _any_bit(column: str) -> Filter:
    return Filter(
        column,
        lambda column, mask: and_(column != _ZERO, column.bitwise_and(mask) != _ZERO),
        lambda value, mask: value & mask != 0,
    )


def _between(column: str) -> Filter:
    return Filter(
        column,
        lambda column, bounds: column.between(*bounds),
        lambda value, bounds: bounds[0] <= value <= bounds[1],
    )


STREAM_FILTERS: Filters = {
    "sources": _among("source"),
    "streams": _among("stream"),
    "state": _equal("state"),
    "outcome": _equal("outcome"),
    "user_id": _equal("user_id"),
    "devices": _among("device"),
    "anomaly": _any_bit("anomalies"),
    "since": Filter("last_at", operator.ge, operator.ge),
    "until": Filter("first_at", operator.lt, operator.lt),
    "changed_after": Filter("position", operator.gt, operator.gt),
}

MEASUREMENT_FILTERS: Filters = {
    "sources": _among("source"),
    "measurements": _among("measurement"),
    "streams": _among("stream"),
    "measurement_id": _equal("measurement_id"),
    "begun": _among("opened"),
    "left": _between("position"),
    "state": _equal("state"),
    "outcome": _equal("outcome"),
    "anomaly": _any_bit("anomalies"),
}


class _Unindexed(FunctionElement[Any]):
    """A column hidden from SQLite's indexes. PostgreSQL compares costs, for which it needs the column itself."""

    inherit_cache = True


@compiles(_Unindexed)
def _as_it_is(element: _Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Unindexed, "sqlite")
def _with_a_plus(element: _Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    """See https://www.sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms Using Unary +"."""
    return f"+{compiler.process(element.clauses, **options)}"


IN_LIST_ORDER: Filters = MEASUREMENT_FILTERS | {
    "sources": Filter(
        "source", lambda column, names: _Unindexed(column).in_(names), lambda value, names: value in names
    )
}
"""SQLite would find a source's measurements through an index without their order, and sort them all."""


class DueIf(NamedTuple):
    """A condition for a passed deadline: streams of a machine in these states, of one source or (None) of any.

    The column `clock` is earlier than `before`.
    """

    machine: str
    source: str | None
    states: tuple[str, ...]
    clock: str
    before: Instant

    def condition(self, table: FromClause) -> ColumnElement[bool]:
        columns = table.c
        its = [columns.machine == self.machine, columns.state.in_(self.states), columns[self.clock] < self.before]
        return and_(*its, *([] if self.source is None else [columns.source == self.source]))

    def matches(self, columns: Mapping[str, Any]) -> bool:
        since = columns[self.clock]
        return (
            columns["machine"] == self.machine
            and self.source in {None, columns["source"]}
            and columns["state"] in self.states
            and since is not None
            and since < self.before
        )


class Due(NamedTuple):
    """A filter by whether any of the conditions for being due holds."""

    ways: tuple[DueIf, ...]
    wanted: bool

    def by_place(self, sources: Sequence[str] | None) -> "dict[tuple[str, str | None], Due]":
        """The same split by machine and source (None: all), as the indexes need it."""
        places: dict[tuple[str, str | None], list[DueIf]] = {}
        for way in self.ways:
            named = sources if way.source is None and sources is not None else [way.source]
            for source in named:
                if sources is None or source in sources:
                    places.setdefault((way.machine, source), []).append(way)
        return {place: Due(tuple(ways), self.wanted) for place, ways in places.items()}

    def condition(self, table: FromClause) -> ColumnElement[bool]:
        """The condition in SQL. Few streams can be due, so they have a partial index."""
        found = func.coalesce(or_(false(), *(way.condition(table) for way in self.ways)), false())
        return and_(literal_column(MAY_BE_DUE), found) if self.wanted else not_(found)

    def matches(self, columns: Mapping[str, Any]) -> bool:
        """The same for a row that is not in a table."""
        return any(way.matches(columns) for way in self.ways) == self.wanted


def conditions(filters: Filters, table: FromClause, wanted: object) -> list[ColumnElement[bool]]:
    """The filters as conditions on the table's columns."""
    return [one.condition(table.c[one.column], value) for one, value in _asked(filters, wanted)]


def is_wanted(filters: Filters, columns: Mapping[str, Any], wanted: object) -> bool:
    """The same for a row that is not in a table."""
    return all(
        columns[one.column] is not None and one.matches(columns[one.column], value)
        for one, value in _asked(filters, wanted)
    )


def _asked(filters: Filters, wanted: object) -> list[tuple[Filter, Any]]:
    values = ((one, getattr(wanted, name)) for name, one in filters.items())
    return [(one, value) for one, value in values if value is not None]
