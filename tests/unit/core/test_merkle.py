"""The Merkle tree against a second implementation, written from the RFC."""

from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.proofs import merkle
from tests.support import merkle_proofs, rfc6962

UP_TO = 130
LEAVES = tuple(sha256(b"\x00%d" % number).digest() for number in range(3_000))
KNOWN = {
    # The entries and roots that every implementation of RFC 6962 is tried with.
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


@cache
def hashes(node: merkle.Node) -> bytes:
    level, place = node
    return rfc6962.mth(LEAVES[place << level : (place + 1) << level])


def altered(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize(("size", "root"), KNOWN.items())
def test_the_known_roots_come_out(size, root):
    tree = merkle.Growing()

    for entry in ENTRIES[:size]:
        tree.append(sha256(b"\x00" + bytes.fromhex(entry)).digest())

    assert tree.root().hex() == root


def test_every_root_up_to_130_leaves_is_that_of_the_rfc():
    tree = merkle.Growing()

    for size in range(UP_TO + 1):
        assert tree.root() == merkle.root(size, hashes) == rfc6962.mth(LEAVES[:size])
        tree.append(LEAVES[size])


def test_what_a_leaf_completes_are_the_nodes_that_end_with_it():
    tree = merkle.Growing()

    for size in range(1, UP_TO + 1):
        tree.append(LEAVES[size - 1])

        ends = [level for level in range(9) if size % (1 << level) == 0]
        assert tree.completed == [hashes((level, (size >> level) - 1)) for level in ends]


def test_every_inclusion_proof_up_to_130_leaves_is_that_of_the_rfc_and_holds():
    for size in range(1, UP_TO + 1):
        root = rfc6962.mth(LEAVES[:size])
        for index in range(size):
            path = merkle.inclusion(index, size, hashes)

            assert path == rfc6962.path(index, LEAVES[:size])
            assert merkle_proofs.includes(index, size, LEAVES[index], path, root)
            assert rfc6962.climb(index, size, LEAVES[index], path) == root


def test_every_consistency_proof_up_to_130_leaves_is_that_of_the_rfc_and_holds():
    roots = [rfc6962.mth(LEAVES[:size]) for size in range(UP_TO + 1)]
    for second in range(1, UP_TO + 1):
        for first in range(1, second + 1):
            path = merkle.consistency(first, second, hashes)

            assert path == rfc6962.proof(first, LEAVES[:second])
            assert merkle_proofs.extends(first, second, roots[first], roots[second], path)


def test_no_altered_inclusion_proof_holds():
    for size in (1, 2, 3, 7, 8, 13, 64, 100):
        root = rfc6962.mth(LEAVES[:size])
        for index in range(size):
            path = merkle.inclusion(index, size, hashes)

            wrong = [
                (index, size, altered(LEAVES[index]), path, root),
                (index, size, LEAVES[index], path, altered(root)),
                (index, size, LEAVES[index], [*path, root], root),
                *((other, size, LEAVES[index], path, root) for other in range(-1, size + 1) if other != index),
                *((index, size, LEAVES[index], _with(path, at), root) for at in range(len(path))),
                *((index, size, LEAVES[index], path[:at] + path[at + 1 :], root) for at in range(len(path))),
            ]
            assert not any(merkle_proofs.includes(*proof) for proof in wrong)


def test_no_altered_consistency_proof_holds():
    for second in (2, 3, 7, 8, 13, 64, 100):
        for first in range(1, second):
            old, new = rfc6962.mth(LEAVES[:first]), rfc6962.mth(LEAVES[:second])
            path = merkle.consistency(first, second, hashes)

            wrong = [
                (first, second, altered(old), new, path),
                (first, second, old, altered(new), path),
                (first, second, old, new, [*path, new]),
                (first, second, old, new, []),
                (second, first, old, new, path),
                (0, second, old, new, path),
                *((first, second, old, new, _with(path, at)) for at in range(len(path))),
                *((first, second, old, new, path[:at] + path[at + 1 :]) for at in range(len(path))),
            ]
            assert not any(merkle_proofs.extends(*proof) for proof in wrong)


def test_a_tree_extends_itself_without_any_proof():
    root = rfc6962.mth(LEAVES[:5])

    assert merkle.consistency(5, 5, hashes) == []
    assert merkle_proofs.extends(5, 5, root, root, [])
    assert not merkle_proofs.extends(5, 5, root, root, [root])
    assert not merkle_proofs.extends(5, 5, root, altered(root), [])


@given(st.data())
def test_larger_trees_agree_too(data):
    size = data.draw(st.integers(131, len(LEAVES)), "size")
    index = data.draw(st.integers(0, size - 1), "index")
    first = data.draw(st.integers(1, size), "first")
    root = rfc6962.mth(LEAVES[:size])

    path = merkle.inclusion(index, size, hashes)
    growth = merkle.consistency(first, size, hashes)

    assert (path, growth) == (rfc6962.path(index, LEAVES[:size]), rfc6962.proof(first, LEAVES[:size]))
    assert merkle_proofs.includes(index, size, LEAVES[index], path, root)
    assert merkle_proofs.extends(first, size, rfc6962.mth(LEAVES[:first]), root, growth)


@given(st.integers(0, 12).map(lambda level: 1 << level))
def test_a_fold_over_a_power_of_two_is_the_root_over_it(count):
    leaves = [LEAVES[at % len(LEAVES)] for at in range(count)]

    assert merkle.fold(leaves) == rfc6962.mth(leaves)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_a_leaf_that_is_not_there_has_no_proof(index, size):
    with pytest.raises(ValueError):
        merkle.inclusion(index, size, hashes)


@pytest.mark.parametrize(("first", "second"), [(0, 4), (5, 4), (-1, 4)])
def test_a_tree_that_is_no_beginning_has_no_proof(first, second):
    with pytest.raises(ValueError):
        merkle.consistency(first, second, hashes)


def _with(path: list[bytes], at: int) -> list[bytes]:
    return [*path[:at], altered(path[at]), *path[at + 1 :]]
