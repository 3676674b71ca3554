"""Verifies the whole log of a database against a trusted key."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine

from adapters.audit.chain import KeyChain
from adapters.sql import BodyReader, Verified, recompute, recorded_rotations
from core.proofs.note import Checkpoint, Key, NotSigned


@dataclass(frozen=True, slots=True)
class Verification:
    """What a log is verified against.

    `key` is any key that the log has had; it leads to the others. `kept` are checkpoints from elsewhere, each of which
    the log must extend. `readers` parse the bodies, by source.
    """

    key: Key
    kept: Sequence[Checkpoint] = ()
    readers: Mapping[str, BodyReader] = field(default_factory=dict)


def verify_log(
    engine: Engine, given: Verification, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Verified:
    """Verifies the log up to its present end, in short transactions, so that a service can go on writing to it."""
    trust = _Trust(engine, given.key)
    with engine.connect() as connection:

        def between(done: int, size: int) -> None:
            connection.rollback()
            progress(done, size)

        return recompute(connection, trust, given.kept, given.readers, between)


class _Trust:
    """Checks and parses checkpoints of a log. Rereads the log's keys if one was rotated meanwhile."""

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
    """The log's keys, found from a trusted one through the rotations that the log records."""
    with engine.connect() as connection:
        return KeyChain(trusted, recorded_rotations(connection))
