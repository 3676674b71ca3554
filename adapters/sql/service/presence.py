"""Registers a service in its database and sends heartbeats while it runs."""

from collections.abc import Callable, Mapping
from threading import Event, Thread

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql.database.errors import cause_of
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.threads import leave
from adapters.sql.database.transactions import Transactions
from adapters.sql.projections.services import EVERY, note, own_service
from core.event import Instant
from core.states.state import StateMachine

_logger = structlog.get_logger()


class Presence:
    """The thread of the heartbeats. They resume once the database is back."""

    def __init__(
        self, engine: Engine, release: str, machines: Mapping[str, StateMachine], clock: Callable[[], Instant]
    ) -> None:
        self._transactions = Transactions(engine)
        self._clock = clock
        self._service = own_service(release, machines, clock())
        self._stopped = Event()
        self._heard = False
        self._thread = Thread(target=self._run, name="hookfold-presence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Records the end of the service, unless the last heartbeat failed."""
        self._stopped.set()
        leave(self._thread)

    def _run(self) -> None:
        self._note()
        while not self._stopped.wait(EVERY):
            self._note()
        if self._heard:
            self._note(ended_at=self._clock())

    def _note(self, ended_at: Instant | None = None) -> None:
        told = msgspec.structs.replace(self._service, seen_at=self._clock(), ended_at=ended_at)
        self._heard = False
        try:
            with self._transactions.beside() as cursor:
                note(cursor, self._transactions.dialect, told)
            self._heard = True
        except Unavailable:
            return
        except Exception as error:
            _logger.exception("not_registered", reason=cause_of(error))
