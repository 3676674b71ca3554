"""Look-ups sent straight through libpq: for one key, psycopg's cursor costs more than the server."""

from collections.abc import Sequence
from itertools import count
from typing import Any, cast
from weakref import WeakKeyDictionary

from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format

from adapters.sql.dialects.pipeline import next_result, see_off
from adapters.sql.dialects.statements import Row


class Direct:
    """Runs one statement at a time on connections in autocommit, outside pipeline mode."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._prepared: WeakKeyDictionary[Any, dict[str, bytes]] = WeakKeyDictionary()

    def rows(self, connection: Any, sql: str, parameters: Sequence[bytes]) -> list[Row]:
        """The rows of a query with placeholders `$1`, ... for parameters in binary format. Raises psycopg.Error."""
        names = self._prepared.setdefault(connection, {})
        if sql not in names:
            name = f"hookfold_{next(self._numbers)}".encode()
            self._succeeded(connection.pgconn.prepare(name, sql.encode()), ExecStatus.COMMAND_OK)
            names[sql] = name
        connection.pgconn.send_query_prepared(names[sql], parameters, [Format.BINARY] * len(parameters), Format.BINARY)
        see_off(connection.pgconn)
        results = list(iter(lambda: next_result(connection.pgconn), None))
        self._succeeded(results[-1], ExecStatus.TUPLES_OK)
        read = Transformer(connection)
        read.set_pgresult(results[-1], format=Format.BINARY)
        return cast(list[Row], read.load_rows(0, results[-1].ntuples, tuple))

    def _succeeded(self, result: Any, wanted: ExecStatus) -> None:
        if result.status != wanted:
            raise error_from_result(result)
