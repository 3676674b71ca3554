"""Statements over many rows at once, as both databases take them; how the rows travel is the dialect's business."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Table, Text

Row = tuple[Any, ...]

_TYPES = {Text: "text", BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}


class Insert:
    """An insert of rows into a table, whole but for the columns `without`; `conflict` is the clause behind it."""

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
        """Inserts; a row with the same primary key gets the new values, but for the columns `keep`.

        An index is written again wherever one of its columns is set, though the value be the same.
        """
        keys = [column.name for column in table.primary_key]
        new = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in {*keys, *keep})
        return cls(table, f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {new}")


class Delete:
    """Deletes the rows of a table that have one of many primary keys."""

    def __init__(self, table: Table) -> None:
        self.table = table.name
        self.name = f"{table.name}_key"
        self.names = [column.name for column in table.primary_key]
        self.types = [_type_name(column.type) for column in table.primary_key]


Write = Insert | Delete
"""What takes rows; `names` and `types` are those of a row's columns, `name` is that of its shape."""


class Lookup:
    """Finds rows by many keys at once: `columns` and `rest` are SQL over the table `t`; a key is a tuple.

    `index`: the one to take, where SQLite would walk the primary key. `unique`: no two rows have the same key, and
    other indexes of the table begin as the key's does.
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
    """Writes that are done together or not at all: `epoch` and `leaf` are SQL for one value each, to be as expected.

    `free`: inserts with the columns by which none of their rows may be there yet. No two writes touch the same row.
    `numbered`: inserts with the column that counts their rows from 1, and SQL for the number behind which they go.
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
