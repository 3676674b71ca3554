"""Makes checkpoints of one log, never two that contradict each other, and proofs that lead to them."""

from collections.abc import Sequence
from typing import NamedTuple

from adapters.audit.chain import KeyChain
from adapters.audit.keys import CurrentKey, SigningKey
from adapters.sql import StoredCheckpoint, Tree, TreeView
from core.proofs import merkle
from core.proofs.note import Checkpoint, Key, Proof

_ROTATED = "the log's key was rotated: give this service the new one, and send it SIGHUP or start it anew"
_SOON = "the service that writes makes one every now and then, ask again"


class Contradiction(Exception):
    """The log is no longer an extension of its newest checkpoint: nothing is signed any more."""


class Empty(Exception):
    """There is nothing to sign or to prove yet."""


class Uncovered(Exception):
    """No checkpoint covers what is asked for, and none can be made here: who writes the log makes the next one."""


class KeyReplaced(Uncovered):
    """The log's key was rotated, and who signs here has not got the new one yet."""


class Included(NamedTuple):
    """That the event at `position` is in the log of `size` positions.

    `checkpoint`: the note over just that size, if one was made.
    """

    position: int
    size: int
    leaf: bytes
    path: list[bytes]
    root: bytes
    checkpoint: str | None

    def file(self) -> str | None:
        """The proof as c2sp.org/tlog-proof has it; None without a checkpoint."""
        if self.checkpoint is None:
            return None
        return Proof(self.position - 1, tuple(self.path), self.checkpoint).text()


class Grown(NamedTuple):
    """That the log of `second` positions begins with the log of `first`."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: list[bytes]


class CheckpointSigner:
    """Any thread may call. Methods raise Unavailable while the database is away, MissingEvent if an event is gone."""

    def __init__(self, tree: Tree, signing: CurrentKey) -> None:
        self._tree = tree
        self._signing = signing

    @property
    def key(self) -> Key:
        """Who signs."""
        return self._signing.key.key

    def sign_with(self, key: SigningKey) -> None:
        """Goes on with another key, as all do who have the same `CurrentKey`."""
        self._signing.key = key

    def chain(self) -> KeyChain:
        """The keys of this log up to ours. Raises KeyReplaced where that is not the one in force."""
        with self._tree.look() as view:
            return _chain(self.key, view)

    def attest(self, text: str, by: Key | None = None) -> str:
        """A text of ours, signed with the log's key, `by` where it has to be that one.

        Raises KeyReplaced where it is not in force any more, ValueError where the text could be taken for a checkpoint.
        """
        signing = self._signing.key
        with self._tree.look() as view:
            _chain(signing.key, view)
        if by not in (None, signing.key):
            raise KeyReplaced(_ROTATED)
        return signing.attest(text)

    def paths(self, positions: Sequence[int], size: int) -> list[list[bytes]]:
        """The inclusion paths of some events in the log of `size` positions; all of it is in memory meanwhile.

        Raises Uncovered where one of them is behind that.
        """
        if (last := max(positions, default=0)) > size:
            raise Uncovered(f"no checkpoint covers position {last} yet: {_SOON}")
        with self._tree.look() as view:
            return view.prove(lambda hashes: [merkle.inclusion(at - 1, size, hashes) for at in positions])

    def head(self) -> int:
        """The log's last position."""
        return self._tree.head()

    def seal(self) -> int:
        """Appends what the tree lacks; the number of new nodes of its lowest level."""
        return self._tree.seal()

    def newest(self) -> StoredCheckpoint | None:
        """The newest checkpoint that was made."""
        with self._tree.look() as view:
            return view.newest()

    def checkpoint(self) -> str:
        """A checkpoint of the log as it is now: a new one, or the newest where the log did not grow since.

        Raises Empty, or Contradiction where the log is not what was signed before; Uncovered where it grew and nothing
        may be written.
        """
        stored = self._tree.checkpoint(self._make)
        if self._tree.read_only and self.head() > (stored.size if stored else 0):
            raise Uncovered(f"no checkpoint covers the log as it is now: {_SOON}")
        if stored is None:
            raise Empty("the log is empty: there is nothing to sign yet")
        return stored.note.decode()

    def latest(self) -> str:
        """A checkpoint of the log as it is now; where nothing may be written, the newest that was made.

        Raises as `checkpoint`.
        """
        newest = self.newest() if self._tree.read_only else None
        return newest.note.decode() if newest else self.checkpoint()

    def checkpoint_of(self, size: int) -> str | None:
        """The checkpoint over exactly so many positions, if one was made."""
        with self._tree.look() as view:
            return _text(view.checkpoint_of(size))

    def inclusion(self, position: int, size: int | None = None) -> Included:
        """Proves that an event is in the log: of `size` positions, or of the newest checkpoint, which has to cover it.

        Makes a checkpoint where none covers the position yet. Raises ValueError where the log has no such position,
        Uncovered where none may be made.
        """
        with self._tree.look() as view:
            found = view.newest() if size is None else view.checkpoint_of(size)
            if size is not None or (found and found.size >= position):
                return _included(view, position, size or (found.size if found else 0), _text(found))
            if position > view.head():
                raise ValueError(f"the log has no position {position} yet")
        self.checkpoint()
        return self.inclusion(position)

    def consistency(self, first: int, second: int) -> Grown:
        """Proves that the log of `second` positions begins with that of `first`.

        Raises ValueError unless 0 < first <= second.
        """
        with self._tree.look() as view:
            return view.prove(
                lambda hashes: Grown(
                    first,
                    second,
                    merkle.root(first, hashes),
                    merkle.root(second, hashes),
                    merkle.consistency(first, second, hashes),
                )
            )

    def _make(self, view: TreeView, newest: StoredCheckpoint | None, size: int, hashes: merkle.Hashes) -> str:
        signing = self._signing.key
        chain = _chain(signing.key, view)
        if newest is not None:
            self._check_growth(chain.opened(newest.note.decode()), newest, size, hashes)
        return signing.sign(size, merkle.root(size, hashes))

    def _check_growth(self, before: Checkpoint, stored: StoredCheckpoint, size: int, hashes: merkle.Hashes) -> None:
        if before.size != stored.size or size < before.size or merkle.root(before.size, hashes) != before.root:
            raise Contradiction(
                f"the log does not extend checkpoint {stored.number}: `hookfold audit verify` tells where"
            )


def _chain(key: Key, view: TreeView) -> KeyChain:
    """The log's keys up to ours, which has to be the one in force."""
    chain = KeyChain(key, view.rotations())
    if chain.newest != key:
        raise KeyReplaced(_ROTATED)
    return chain


def _included(view: TreeView, position: int, size: int, note: str | None) -> Included:
    index = position - 1

    def work(hashes: merkle.Hashes) -> Included:
        path = merkle.inclusion(index, size, hashes)
        return Included(position, size, hashes((0, index)), path, merkle.root(size, hashes), note)

    return view.prove(work)


def _text(stored: StoredCheckpoint | None) -> str | None:
    return stored.note.decode() if stored else None
