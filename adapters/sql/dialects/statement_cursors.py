"""One psycopg cursor for each statement, for pipeline mode, where results arrive at any time.

One cursor holds one result. If two statements shared it, the row of the first one, such as a lock's that nobody
fetches, could arrive after the second one was sent, and be fetched as its row.
"""

from collections.abc import Iterator
from typing import Any


class StatementCursors:
    """Has a cursor's interface but uses a new one for each statement. Rows are those of the last statement."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._last = connection.cursor()

    def execute(self, sql: str, parameters: Any = None, **how: Any) -> None:
        self._last = self.connection.cursor()
        self._last.execute(sql, parameters, **how)

    def executemany(self, sql: str, parameters: Any) -> None:
        self._last = self.connection.cursor()
        self._last.executemany(sql, parameters)

    def fetchone(self) -> Any:
        return self._last.fetchone()

    def fetchmany(self, size: int) -> Any:
        return self._last.fetchmany(size)

    def fetchall(self) -> Any:
        return self._last.fetchall()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._last)
