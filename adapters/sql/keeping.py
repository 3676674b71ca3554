"""Everything that changes what is kept of the log, over one process's writer."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from adapters.sql.afresh import Afresh
from adapters.sql.dialects import dialect_of
from adapters.sql.erase import Eraser
from adapters.sql.log import Log
from adapters.sql.own import Recorder
from adapters.sql.projection import Code
from adapters.sql.retract import Retractor
from core.event import Instant


@dataclass(frozen=True, slots=True)
class Keeper:
    """Erases, retracts, and records what was done."""

    eraser: Eraser
    retractor: Retractor
    recorder: Recorder


def keeper(engine: Engine, code: Code, log: Log, clock: Callable[[], Instant], through: str) -> Keeper:
    """Wires one over a log of this process's own."""
    recorder = Recorder(lambda entry: log.append([entry])[0], clock, through)
    afresh = Afresh(dialect_of(engine), code)
    return Keeper(Eraser(engine, log, recorder, afresh), Retractor(log, recorder, afresh), recorder)
