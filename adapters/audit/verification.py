"""Verifies a whole log on a database, with a key that signed its checkpoints or leads to those that did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from adapters.audit.chain import KeyChain
from adapters.sql import BodyReader, Verified, recompute, recorded_rotations
from core.proofs.note import Checkpoint, Key, NotSigned


@dataclass(frozen=True, slots=True)
class Verification:
    """What a log is verified with. `key`: any that the log had, for it leads to the others.

    `readers`: how the bodies of each configured source are read.
    `kept`: checkpoints from elsewhere, which the log has to be an extension of.
    """

    key: Key
    kept: Sequence[Checkpoint] = ()
    readers: Mapping[str, BodyReader] = field(default_factory=dict)


def verify_log(
    engine: Engine, given: Verification, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Verified:
    """Verifies the log as it is now, in short transactions: a service may go on writing to it meanwhile."""
    trust = _Trust(engine, given.key)
    with engine.connect() as connection:

        def between(done: int, size: int) -> None:
            connection.rollback()
            progress(done, size)

        return recompute(connection, trust, given.kept, given.readers, between)


class _Trust:
    """Opens checkpoints of a log. Its key may be rotated meanwhile."""

    def __init__(self, engine: Engine, trusted: Key) -> None:
        self._engine = engine
        self._trusted = trusted
        self._chain = keys_of(engine, trusted)

    def __call__(self, text: str) -> Checkpoint:
        try:
            return self._chain.opened(text)
        except NotSigned:
            self._chain = keys_of(self._engine, self._trusted)
            return self._chain.opened(text)


def keys_of(engine: Engine, trusted: Key) -> KeyChain:
    """The keys that a trusted one leads to, as the log's own events tell them."""
    with engine.connect() as connection:
        return KeyChain(trusted, recorded_rotations(connection))
