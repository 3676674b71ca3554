"""Rows as one array of a composite type in PostgreSQL's binary format: one parameter, whatever the number of columns.

A column as an array of its own costs the driver a microsecond a value, and the server a function scan each. The format
is what `array_recv` and `record_recv` read (PostgreSQL's source: arrayfuncs.c, rowtypes.c).
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format

from adapters.sql.dialects.statements import Row

_BIGINT, _INTEGER, _TEXT, _BYTEA = 20, 23, 25, 17
"""Object ids of the built-in types."""

_NULL = Struct("!Ii").pack
_SIZED = Struct("!II").pack
_LONG = Struct("!IIq").pack
_INT = Struct("!IIi").pack
_ARRAY = Struct("!5I").pack


class Composites(bytes):
    """An encoded array of rows."""

    __slots__ = ()


class CompositesDumper(Dumper):
    """Sends it unchanged. A cast in the statement names the type."""

    format = Format.BINARY

    def dump(self, obj: Composites) -> bytes:
        return obj


def encode(rows: Sequence[Row], types: Sequence[str], composite: int) -> Composites:
    """Encodes rows as an array of the composite type with this object id, whose columns have these types."""
    fields = [_FIELDS[kind] for kind in types]
    parts = [_ARRAY(1, 1, composite, len(rows), 1)]
    for row in rows:
        content = b"".join([field(value) for field, value in zip(fields, row, strict=True)])
        parts += (_SIZED(4 + len(content), len(fields)), content)
    return Composites(b"".join(parts))


def array(values: Sequence[Any], kind: str) -> bytes:
    """Encodes values of a built-in type as an array."""
    field = _FIELDS[kind]
    parts = [field(value)[4:] for value in values]  # without the type's object id, which all of them share
    return _ARRAY(1, 1, _IDS[kind], len(parts), 1) + b"".join(parts)


def _bigint(value: int | None) -> bytes:
    return _NULL(_BIGINT, -1) if value is None else _LONG(_BIGINT, 8, value)


def _integer(value: int | None) -> bytes:
    return _NULL(_INTEGER, -1) if value is None else _INT(_INTEGER, 4, value)


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL(_TEXT, -1)
    content = value.encode()
    return _SIZED(_TEXT, len(content)) + content


def _bytea(value: bytes | None) -> bytes:
    return _NULL(_BYTEA, -1) if value is None else _SIZED(_BYTEA, len(value)) + value


_IDS = {"bigint": _BIGINT, "integer": _INTEGER, "text": _TEXT, "bytea": _BYTEA}
_FIELDS: dict[str, Callable[[Any], bytes]] = {"bigint": _bigint, "integer": _integer, "text": _text, "bytea": _bytea}
