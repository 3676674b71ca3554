"""Optimistic pipelining: sends the next append before the previous one is acknowledged (libpq's pipeline mode).

Each append is a transaction. A guard compares the state that the batch was built on with the database and lets all or
nothing happen. An append is two statements, because each costs Python as much as the rest of a small batch.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from select import POLLIN, POLLOUT, poll
from typing import Any

import psycopg
from psycopg.pq import ConnStatus, ExecStatus

from adapters.sql.dialects.composite import encode
from adapters.sql.dialects.statements import Row, Write

PATIENCE = 30.0
"""Seconds for an answer: longer than `lock_timeout`, which the server reports itself."""

_TURN, _APPEND = b"hookfold_turn", b"hookfold_append"
_TEXT, _BINARY = 0, 1


class Pipeline:
    """The pipeline of one connection. `composites` are the object ids of its composite types.

    `turn` is the SQL of the append lock. `append` takes the epoch, the leaf of the log's last event, and an array of
    rows for each write; it returns one row if its guard allowed it.
    """

    def __init__(self, connection: Any, turn: str, append: str, composites: Mapping[Write, int]) -> None:
        self._connection = connection.pgconn
        self._composites = composites
        self._in_mode = False
        for name, sql in ((_TURN, turn), (_APPEND, append)):
            self._succeeded(self._connection.prepare(name, sql.encode()), ExecStatus.COMMAND_OK)

    @property
    def socket(self) -> int:
        """Becomes readable when an answer arrives."""
        return int(self._connection.socket)

    @property
    def answered(self) -> bool:
        """Whether the oldest answer is here. If it arrived with another one, the socket does not show it any more.

        True also if the connection is gone, which has no socket: `receive` raises then.
        """
        return self._connection.status != ConnStatus.OK or not self._connection.is_busy()

    def send(self, epoch: str, leaf: bytes, writes: Mapping[Write, Sequence[Row]]) -> None:
        """Sends one append without waiting for its answer. Raises psycopg.Error."""
        if not self._in_mode:
            self._connection.enter_pipeline_mode()
            self._in_mode = True
        rows = [encode(writes.get(into, ()), into.types, oid) for into, oid in self._composites.items()]
        self._connection.send_query_prepared(_TURN, None)
        self._connection.send_query_prepared(_APPEND, [epoch.encode(), leaf, *rows], self._formats)
        self._connection.pipeline_sync()
        see_off(self._connection)

    def receive(self) -> bool:
        """Waits for the oldest answer: whether that append is committed. Raises psycopg.Error if that is unknown.

        A transaction ends with its Sync, which is answered after the commit (PostgreSQL, "Message Flow").
        """
        done = False
        while True:
            result = next_result(self._connection)
            if result is None:
                if self._connection.status != ConnStatus.OK:
                    raise psycopg.OperationalError("the connection is gone")
            elif result.status == ExecStatus.PIPELINE_SYNC:
                return done
            else:
                done = result.status == ExecStatus.TUPLES_OK and result.ntuples == 1

    def rest(self) -> None:
        """Leaves pipeline mode, so that the driver can use the connection. Every answer must have been received."""
        if self._in_mode:
            self._connection.exit_pipeline_mode()
            self._in_mode = False

    @cached_property
    def _formats(self) -> list[int]:
        return [_TEXT, _BINARY, *[_BINARY] * len(self._composites)]

    def _succeeded(self, result: Any, wanted: ExecStatus) -> None:
        if result.status != wanted:
            raise psycopg.ProgrammingError(result.get_error_message())


def next_result(connection: Any) -> Any:
    """Waits for the next result as the driver does, because libpq itself would block the interpreter."""
    ready = poll()
    ready.register(connection.socket, POLLIN)
    while connection.is_busy():
        if not ready.poll(PATIENCE * 1_000):
            raise psycopg.OperationalError("the server is silent")
        connection.consume_input()
    return connection.get_result()


def see_off(connection: Any) -> None:
    """Returns once everything has left for the server, and a short statement can follow at once.

    While statements leave together, the driver flushes once and then waits for answers alone: what is larger than the
    socket's buffer would stay behind, and both sides would wait for ever (libpq, "Asynchronous Command Processing").
    """
    ready = poll()
    ready.register(connection.socket, POLLIN | POLLOUT)
    while True:
        unsent = connection.flush()
        answer = ready.poll(PATIENCE * 1_000)
        if not answer:
            raise psycopg.OperationalError("the server is silent")
        events = answer[0][1]
        if not unsent and events & ~POLLIN:
            return
        if events & POLLIN:
            connection.consume_input()
