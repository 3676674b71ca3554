"""Statements on many rows, in a form for both databases. The dialect decides how the rows travel."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Table, Text

Row = tuple[Any, ...]

_TYPES = {Text: "text", BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}


class Insert:
    """Inserts rows with all columns except `without`. `conflict` is the ON CONFLICT clause."""

    def __init__(self, table: Table, conflict: str = "", without: Sequence[str] = ()) -> None:
        columns = [column for column in table.columns if column.name not in without]
        self.table = table.name
        self.name = f"{table.name}_row"
        self.names = [column.name for column in columns]
        self.head = f"INSERT INTO {table.name} ({', '.join(self.names)})"
        self.types = [_type_name(column.type) for column in columns]
        self.conflict = conflict

    @classmethod
    def upsert(cls, table: Table, keep: Sequence[str] = ()) -> "Insert":
        """An upsert: an existing row gets the new values, except in the columns `keep`.

        Setting a column rewrites its indexes even if the value is the same.
        """
        keys = [column.name for column in table.primary_key]
        new = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in {*keys, *keep})
        return cls(table, f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {new}")


class Delete:
    """Deletes the rows with any of many primary keys."""

    def __init__(self, table: Table) -> None:
        self.table = table.name
        self.name = f"{table.name}_key"
        self.names = [column.name for column in table.primary_key]
        self.types = [_type_name(column.type) for column in table.primary_key]


Write = Insert | Delete
"""A statement that takes rows. `names` and `types` are those of the columns, `name` identifies the row type."""


class Lookup:
    """Finds rows by many keys, which are tuples. `columns` and `rest` are SQL on the table `t`.

    `index` is the one for SQLite to use, which would scan the primary key. `unique`: no two rows have the same key, and
    other indexes of the table begin with the same columns.
    """

    def __init__(
        self,
        columns: str,
        table: Table,
        key: Sequence[str],
        rest: str = "",
        *,
        index: str | None = None,
        unique: bool = False,
    ) -> None:
        self.table = table.name
        self.columns = columns
        self.unique = unique
        self.on = " ON " + " AND ".join(f"t.{c} = k.{c}" for c in key)
        self.index = index
        self.rest = rest
        self.key = key
        self.types = [_type_name(table.c[c].type) for c in key]


class Guarded:
    """Writes that happen together or not at all. `epoch` and `leaf` are SQL for values that must be as expected.

    `free` maps inserts to the columns by which none of their rows may exist. No two writes touch the same row.
    `numbered` maps inserts to the column that numbers their rows from 1, and SQL for the last number used.
    """

    def __init__(
        self,
        epoch: str,
        leaf: str,
        writes: Sequence[Write],
        free: Sequence[tuple[Insert, Sequence[str]]],
        numbered: Mapping["Write", tuple[str, str]],
    ) -> None:
        self.epoch = epoch
        self.leaf = leaf
        self.writes = writes
        self.free = free
        self.numbered = numbered


def _type_name(kind: Any) -> str:
    return _TYPES[type(kind)]
