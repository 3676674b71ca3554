"""The Merkle tree word by word from RFC 6962, section 2.1: recursive, slow, and nothing shared with the product."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH over entries that are hashed already."""
    return _mth(tuple(leaves))


@lru_cache(20_000)
def _mth(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = k_of(len(leaves))
    return sha256(b"\x01" + _mth(leaves[:k]) + _mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    n = len(leaves)
    if n == 1:
        return []
    k = k_of(n)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return subproof(m, leaves, whole=True)


def subproof(m: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = k_of(n)
    if m <= k:
        return [*subproof(m, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], whole=False), mth(leaves[:k])]


def k_of(n: int) -> int:
    """The largest power of two that is smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def climb(m: int, n: int, leaf: bytes, siblings: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to, by the shape of the tree; None where the proof has another length."""
    if n == 1:
        return leaf if not siblings else None
    if not siblings:
        return None
    k, top = k_of(n), siblings[-1]
    below = climb(m, k, leaf, siblings[:-1]) if m < k else climb(m - k, n - k, leaf, siblings[:-1])
    if below is None:
        return None
    return sha256(b"\x01" + (below + top if m < k else top + below)).digest()
