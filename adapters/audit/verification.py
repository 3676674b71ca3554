"""Verifies a whole log on a database, with the key that its checkpoints have to be signed with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Engine

from adapters.audit.keys import opened
from adapters.sql import BodyReader, Verified, recompute
from core.note import Checkpoint, Key


@dataclass(frozen=True, slots=True)
class Verification:
    """What a log is verified with. `readers`: how the bodies of each configured source are read.

    `kept`: checkpoints from elsewhere, which the log has to be an extension of.
    """

    key: Key
    kept: Sequence[Checkpoint] = ()
    readers: Mapping[str, BodyReader] = field(default_factory=dict)


def verify_log(
    engine: Engine, given: Verification, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Verified:
    """Verifies the log as it is now, in short transactions: a service may go on writing to it meanwhile."""
    trust = partial(opened, key=given.key)
    with engine.connect() as connection:

        def between(done: int, size: int) -> None:
            connection.rollback()
            progress(done, size)

        return recompute(connection, trust, given.kept, given.readers, between)
