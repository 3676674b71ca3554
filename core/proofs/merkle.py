"""The Merkle tree of RFC 6962, section 2.1 (and RFC 9162): its nodes and proofs.

Node (level, place) is the root over the leaves from `place << level` up to `(place + 1) << level`. Every range of a log
splits into a few complete nodes; only those are stored.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without a leaf."""

Node = tuple[int, int]
"""(level, place)."""

Hashes = Callable[[Node], bytes]
"""The hash of a complete node."""


def join(left: bytes, right: bytes) -> bytes:
    """The hash over two nodes: SHA-256 of a one byte, left, right."""
    return sha256(b"\x01" + left + right).digest()


def rise(hashes: Sequence[bytes], levels: int) -> list[bytes]:
    """The nodes `levels` above adjacent nodes that fill them completely."""
    for _ in range(levels):
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return list(hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent nodes of one level; their number is a power of two."""
    return rise(hashes, len(hashes).bit_length() - 1)[0]


def split(start: int, end: int) -> list[Node]:
    """The complete nodes that cover the leaves from `start` up to `end`, from left to right.

    `start` must be a multiple of the largest power of two below the range's length, as in every tree of RFC 6962.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def bag(hashes: Iterable[bytes]) -> bytes:
    """The root over complete nodes of decreasing size, from left to right."""
    *others, root = hashes
    for left in reversed(others):
        root = join(left, root)
    return root


def root(size: int, hashes: Hashes) -> bytes:
    """The root over the first `size` leaves."""
    return _root_of((0, size), hashes) if size else EMPTY


def inclusion(index: int, size: int, hashes: Hashes) -> list[bytes]:
    """PATH (RFC 6962, 2.1.1): proves that leaf `index` (from 0) is in the tree of `size` leaves; its sibling first.

    Raises ValueError unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    return [_root_of(sibling, hashes) for sibling in _siblings(index, size)]


def consistency(first: int, second: int, hashes: Hashes) -> list[bytes]:
    """PROOF (RFC 6962, 2.1.2): proves that the tree of `second` leaves begins with the one of `first` leaves.

    Raises ValueError unless 0 < first <= second.
    """
    if not 0 < first <= second:
        raise ValueError(f"a tree of {second} leaves does not begin with one of {first}")
    return [_root_of(part, hashes) for part in _parts(first, second)]


def _root_of(part: tuple[int, int], hashes: Hashes) -> bytes:
    return bag([hashes(node) for node in split(*part)])


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves beside the path from a leaf to the root, the leaf's sibling first."""
    start, end, found = 0, size, []
    while end - start > 1:
        middle = start + _half(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def _parts(first: int, second: int) -> list[tuple[int, int]]:
    """The ranges of a consistency proof, from the old tree's last part upwards."""
    start, end, found = 0, second, []
    while end != first:
        middle = start + _half(end - start)
        if first <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    known = start == 0  # the old tree is a complete part of the new one: the verifier has its root
    return [*([] if known else [(start, end)]), *found[::-1]]


def _half(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


class Growing:
    """A tree that grows leaf by leaf and holds only what its root needs.

    `completed` has the hashes of the nodes that the last leaf completed, by level, beginning with the leaf.
    """

    __slots__ = ("_peaks", "completed", "size")

    def __init__(self) -> None:
        self.size = 0
        self.completed: list[bytes] = []
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Adds the next leaf's hash."""
        peaks, size = self._peaks, self.size
        self.completed = completed = [leaf]
        while size & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            completed.append(leaf)
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return bag(self._peaks) if self._peaks else EMPTY
