"""Verifies proofs of the Merkle tree, as a client does (RFC 9162)."""

from collections.abc import Sequence

from core.proofs import merkle


def includes(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Checks an inclusion proof (RFC 9162, 2.1.3.2). True: the leaf is at that index of the tree with that root."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = merkle.join(sibling, found)
            here, last = _up_to_the_right(here, last)
        else:
            found = merkle.join(found, sibling)
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
    """The two roots that a consistency proof computes; None if the proof is too short or too long."""
    old = new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return None
        if here & 1 or here == last:
            old, new = merkle.join(part, old), merkle.join(part, new)
            here, last = _up_to_the_right(here, last)
        else:
            new = merkle.join(new, part)
        here, last = here >> 1, last >> 1
    return (old, new) if last == 0 else None


def _up_to_the_right(here: int, last: int) -> tuple[int, int]:
    """Moves a node without a right sibling up unchanged, until it is a right child."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last
