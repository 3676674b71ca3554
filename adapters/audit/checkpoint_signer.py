"""Signs checkpoints of one log, never two that contradict each other, and makes inclusion and consistency proofs."""

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
    """The log does not extend a checkpoint that was signed: it was altered or cut. Nothing is signed any more."""


class Empty(Exception):
    """The log is empty, so there is nothing to sign or prove."""


class Uncovered(Exception):
    """No checkpoint covers the requested positions, and this process may make none: the service that writes will."""


class KeyReplaced(Uncovered):
    """The log's key was rotated, and this process still has the old one."""


class Included(NamedTuple):
    """An inclusion proof: the event at `position` is in the log of `size` positions.

    `checkpoint` is the note over exactly that size; None if none was made.
    """

    position: int
    size: int
    leaf: bytes
    path: list[bytes]
    root: bytes
    checkpoint: str | None

    def file(self) -> str | None:
        """The proof in the format of c2sp.org/tlog-proof; None without a checkpoint."""
        if self.checkpoint is None:
            return None
        return Proof(self.position - 1, tuple(self.path), self.checkpoint).text()


class Grown(NamedTuple):
    """A consistency proof: the log of `second` positions begins with the log of `first`."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: list[bytes]


class CheckpointSigner:
    """Thread-safe. Methods raise Unavailable while the database is away, and MissingEvent if an event is missing."""

    def __init__(self, tree: Tree, signing: CurrentKey) -> None:
        self._tree = tree
        self._signing = signing

    @property
    def key(self) -> Key:
        """The verifier key of the signing key."""
        return self._signing.key.key

    def sign_with(self, key: SigningKey) -> None:
        """Replaces the signing key, for everybody who shares the `CurrentKey`."""
        self._signing.key = key

    def chain(self) -> KeyChain:
        """The log's keys up to the signing key. Raises KeyReplaced if that is not in force any more."""
        with self._tree.look() as view:
            return _chain(self.key, view)

    def attest(self, text: str, by: Key | None = None) -> str:
        """The text as a note signed with the log's key. `by`: the key that must sign it; None: the current one.

        Raises KeyReplaced if that key is not in force any more, ValueError if the text could be taken for a checkpoint.
        """
        signing = self._signing.key
        with self._tree.look() as view:
            _chain(signing.key, view)
        if by not in (None, signing.key):
            raise KeyReplaced(_ROTATED)
        return signing.attest(text)

    def paths(self, positions: Sequence[int], size: int) -> list[list[bytes]]:
        """The inclusion paths of events in the log of `size` positions. All of them are in memory at once.

        Raises Uncovered if a position is greater than `size`.
        """
        if (last := max(positions, default=0)) > size:
            raise Uncovered(f"no checkpoint covers position {last} yet: {_SOON}")
        with self._tree.look() as view:
            return view.prove(lambda hashes: [merkle.inclusion(at - 1, size, hashes) for at in positions])

    def head(self) -> int:
        """The log's last position."""
        return self._tree.head()

    def seal(self) -> int:
        """Appends the tree's missing nodes. Returns how many of its lowest stored level were missing."""
        return self._tree.seal()

    def newest(self) -> StoredCheckpoint | None:
        """The newest checkpoint; None if there is none."""
        with self._tree.look() as view:
            return view.newest()

    def checkpoint(self) -> str:
        """A checkpoint of the whole log: the newest one if the log has not grown since, else a new one.

        Raises Empty, Contradiction if the log does not extend the newest one, and Uncovered if the log has grown but
        the database is read-only.
        """
        stored = self._tree.checkpoint(self._make)
        if self._tree.read_only and self.head() > (stored.size if stored else 0):
            raise Uncovered(f"no checkpoint covers the log as it is now: {_SOON}")
        if stored is None:
            raise Empty("the log is empty: there is nothing to sign yet")
        return stored.note.decode()

    def latest(self) -> str:
        """A checkpoint of the whole log, or the newest one if the database is read-only. Raises as `checkpoint`."""
        newest = self.newest() if self._tree.read_only else None
        return newest.note.decode() if newest else self.checkpoint()

    def checkpoint_of(self, size: int) -> str | None:
        """The checkpoint over exactly that many positions; None if none was made."""
        with self._tree.look() as view:
            return _text(view.checkpoint_of(size))

    def inclusion(self, position: int, size: int | None = None) -> Included:
        """Proves that an event is in the log of `size` positions. Without `size`, in the log of the newest checkpoint.

        If that one does not cover the position, a new one is made. Raises ValueError if the log has no such position,
        and Uncovered if the database is read-only.
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
    """The log's keys up to `key`. Raises KeyReplaced if `key` is not in force."""
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
