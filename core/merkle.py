"""The Merkle tree of RFC 6962, section 2.1 (and RFC 9162): its nodes, its proofs, and how they are checked.

A node is named by its level and its place: node (level, place) is the root over the leaves from `place << level` to
`(place + 1) << level`. Every range of a log splits into few complete nodes, and that is all that is ever stored.
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
    """The nodes so many levels above neighbouring nodes that fill them."""
    for _ in range(levels):
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return list(hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of neighbouring nodes of one level."""
    return rise(hashes, len(hashes).bit_length() - 1)[0]


def split(start: int, end: int) -> list[Node]:
    """The complete nodes over the leaves from `start` up to `end`, from left to right.

    `start` is a multiple of the largest power of two below the range's length, as in every tree of RFC 6962.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def bag(hashes: Iterable[bytes]) -> bytes:
    """The root over complete nodes of falling size, from left to right."""
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


def includes(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Checks an inclusion proof (RFC 9162, 2.1.3.2). True: the leaf is at that index of the tree with that root."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = join(sibling, found)
            here, last = _up_to_the_right(here, last)
        else:
            found = join(found, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root


def extends(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Checks a consistency proof (RFC 9162, 2.1.4.2). True: the second tree begins with the first one."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    parts = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not parts:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    return _rebuilt(here, last, parts) == (first_root, second_root)


def _rebuilt(here: int, last: int, parts: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency proof leads to; None where it is too short or too long."""
    old = new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return None
        if here & 1 or here == last:
            old, new = join(part, old), join(part, new)
            here, last = _up_to_the_right(here, last)
        else:
            new = join(new, part)
        here, last = here >> 1, last >> 1
    return (old, new) if last == 0 else None


def _up_to_the_right(here: int, last: int) -> tuple[int, int]:
    """A node without a right neighbour is carried up as it is, until it is somebody's right one."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _root_of(part: tuple[int, int], hashes: Hashes) -> bytes:
    return bag([hashes(node) for node in split(*part)])


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves beside the way from the root to a leaf, the leaf's neighbour first."""
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
    """The ranges of a consistency proof, from the old tree's last part up."""
    start, end, found = 0, second, []
    while end != first:
        middle = start + _half(end - start)
        if first <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    known = start == 0  # the old tree is one whole part of the new one: who checks has its root
    return [*([] if known else [(start, end)]), *found[::-1]]


def _half(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


class Growing:
    """A tree that grows leaf by leaf and keeps only what its root needs.

    `completed`: the hashes of the nodes that the last leaf completed, by level, the leaf itself first.
    """

    __slots__ = ("_peaks", "completed", "size")

    def __init__(self) -> None:
        self.size = 0
        self.completed: list[bytes] = []
        self._peaks: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Takes the next leaf's hash."""
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
