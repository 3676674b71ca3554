"""Wires the eraser, the retractor and the recorder of both over one process's log."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from adapters.sql.dialects.dialect import dialect_of
from adapters.sql.erasure.erase import Eraser
from adapters.sql.erasure.retract import Retractor
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.projections.projection import Code
from core.event import Instant


@dataclass(frozen=True, slots=True)
class Keeper:
    """The eraser, the retractor and their recorder."""

    eraser: Eraser
    retractor: Retractor
    recorder: Recorder


def keeper(engine: Engine, code: Code, log: Log, clock: Callable[[], Instant], through: str) -> Keeper:
    """Assembles them over this process's log."""
    recorder = Recorder(lambda entry: log.append([entry])[0], clock, through)
    afresh = Invalidator(dialect_of(engine), code)
    return Keeper(Eraser(engine, log, recorder, afresh), Retractor(log, recorder, afresh), recorder)
