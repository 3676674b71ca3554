"""Checkpoints and proofs of a growing log, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import DBAPIError

from adapters.audit import CheckpointSigner, Contradiction, CurrentKey, Empty, Sealer
from adapters.sql import MissingEvent, Tree
from adapters.sql.audit import tree
from core.proofs import merkle
from tests.support import rfc6962
from tests.support.audited import SIGNING, Audited
from tests.support.merkle_proofs import extends
from tests.support.signed import holds, root_of


def test_a_checkpoint_covers_the_whole_log(audited: Audited):
    audited.grow(300)

    size, root = root_of(audited.signer.checkpoint())

    assert (size, root) == (300, rfc6962.mth(audited.leaves()))


def test_a_log_that_did_not_grow_keeps_its_checkpoint(audited: Audited):
    audited.grow(3)

    assert audited.signer.checkpoint() == audited.signer.checkpoint()
    assert audited.rows("SELECT number, size FROM checkpoints") == [(1, 3)]


def test_an_empty_log_has_nothing_to_sign(audited: Audited):
    with pytest.raises(Empty):
        audited.signer.checkpoint()

    assert audited.verify().wrong is None


def test_checkpoints_of_a_growing_log_extend_each_other(audited: Audited):
    sizes = [1, 16, 17, 255, 256, 257, 300]
    for size in sizes:
        audited.grow(size - audited.tree.head())
        audited.signer.checkpoint()

    for first in sizes:
        for second in sizes[sizes.index(first) :]:
            grown = audited.signer.consistency(first, second)
            assert grown.path == rfc6962.proof(first, audited.leaves()[:second])
            assert root_of(audited.signer.checkpoint_of(first) or "") == (first, grown.first_root)
            assert extends(first, second, grown.first_root, grown.second_root, grown.path)
    assert audited.verify().checkpoints == len(sizes)


@pytest.mark.parametrize("sealed", [True, False])
def test_every_event_has_a_proof_whether_it_is_sealed_or_not(audited: Audited, sealed: bool):
    audited.grow(290)
    if sealed:
        audited.signer.checkpoint()
    leaves = audited.leaves()

    for position in (1, 2, 16, 17, 255, 256, 257, 289, 290):
        found = audited.signer.inclusion(position, 290)

        assert (found.leaf, found.path) == (leaves[position - 1], rfc6962.path(position - 1, leaves))
        assert (found.file() is not None) == sealed


def test_a_proof_without_a_size_makes_the_checkpoint_that_it_lacks(audited: Audited):
    audited.grow(20)
    audited.signer.checkpoint()
    audited.grow(5)

    old, new = audited.signer.inclusion(20), audited.signer.inclusion(21)

    assert (old.size, new.size) == (20, 25)
    assert holds(old.file() or "", audited.leaves()[19])
    assert holds(new.file() or "", audited.leaves()[20])
    assert not holds(new.file() or "", audited.leaves()[19])


@pytest.mark.parametrize(("position", "size"), [(0, 5), (6, 5), (6, None), (-1, None)])
def test_what_is_not_in_the_log_has_no_proof(audited: Audited, position: int, size: int | None):
    audited.grow(5)

    with pytest.raises(ValueError):
        audited.signer.inclusion(position, size)


def test_notaries_of_several_processes_make_one_line_of_checkpoints(database_url: str):
    writers = [Audited(database_url) for _ in range(4)]
    writers[0].grow(40)

    def work(one: Audited) -> None:
        for _ in range(5):
            one.signer.checkpoint()
            one.grow_alone(3)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, writers))

    verdict = writers[0].verify()
    for writer in writers:
        writer.close()
    assert verdict.wrong is None
    assert verdict.size == 100
    assert verdict.checkpoints >= 5


def test_a_log_that_is_no_extension_of_what_was_signed_is_not_signed(audited: Audited):
    audited.grow(10)
    audited.signer.checkpoint()
    audited.grow(2)
    audited.tamper("UPDATE events SET leaf = (SELECT e.leaf FROM events e WHERE e.position = 12) WHERE position = 3")

    with pytest.raises(Contradiction):
        audited.signer.checkpoint()

    assert audited.rows("SELECT max(size) FROM checkpoints") == [(10,)]


def test_a_checkpoint_that_was_altered_is_not_built_upon(audited: Audited):
    audited.grow(10)
    audited.signer.checkpoint()
    audited.grow(2)
    audited.tamper("UPDATE checkpoints SET size = 9")

    with pytest.raises(Contradiction):
        audited.signer.checkpoint()


def test_nothing_is_sealed_over_a_hole(audited: Audited):
    audited.grow(40)
    audited.tamper("DELETE FROM events WHERE position = 20")

    with pytest.raises(MissingEvent, match="position 20"):
        audited.signer.seal()

    assert audited.rows("SELECT count(*) FROM nodes") == [(0,)]


def test_the_tree_catches_up_with_a_log_that_was_there_before_it(audited: Audited):
    audited.grow(5_000)

    audited.signer.seal()

    counts = audited.rows("SELECT level, count(*) FROM nodes GROUP BY level ORDER BY level")
    assert [tuple(row) for row in counts] == [(4, 312), (8, 19), (12, 1)]
    assert audited.verify().wrong is None


@pytest.mark.parametrize("table", ["nodes", "checkpoints"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET {column} = {column}",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "REPLACE INTO {table} {rows}",
    ],
)
def test_the_database_itself_keeps_the_tree_append_only(audited: Audited, table: str, statement: str):
    dialect = audited.engine.dialect.name
    if ("TRUNCATE" in statement) != (dialect == "postgresql") and not statement.startswith(("UPDATE", "DELETE")):
        return  # each database has one of the two
    audited.grow(20)
    audited.signer.checkpoint()
    column, rows = {"nodes": "place", "checkpoints": "size"}[table], f"SELECT * FROM {table}"
    before = audited.rows(rows)

    with pytest.raises(DBAPIError, match=r"immutable|append-only"), audited.engine.begin() as connection:
        connection.exec_driver_sql(statement.format(table=table, column=column, rows=rows))

    assert audited.rows(rows) == before


def test_a_log_that_another_process_seals_meanwhile_has_no_hole(audited: Audited, monkeypatch: pytest.MonkeyPatch):
    audited.grow(512)
    others = [Tree(audited.engine)]

    def rise(below: list[bytes], levels: int) -> list[bytes]:
        while others:
            others.pop().seal()
        return merkle.rise(below, levels)

    monkeypatch.setattr(tree, "merkle", SimpleNamespace(rise=rise))
    sealed = audited.tree.seal()

    assert sealed == 0
    assert audited.verify().wrong is None


def test_the_sealer_keeps_up_and_signs_when_it_is_time(audited: Audited):
    audited.grow(40)
    eager, patient = (Sealer(audited.signer, every, tick=3600) for every in (0, 3600))

    patient.look()
    sealed_only = audited.rows("SELECT count(*) FROM checkpoints") == [(0,)]
    eager.look()
    eager.look()

    eager.close()
    patient.close()
    assert sealed_only
    assert audited.rows("SELECT count(*) FROM nodes") == [(2,)]
    assert audited.rows("SELECT size FROM checkpoints") == [(40,)]


def test_the_sealer_outlives_a_fault(audited: Audited):
    audited.grow(40)
    audited.tamper("DELETE FROM events WHERE position = 20")

    sealer = Sealer(CheckpointSigner(Tree(audited.engine), CurrentKey(SIGNING)), 0, tick=0.001)
    while sealer.faults < 2:
        pass

    sealer.close()
    assert audited.rows("SELECT count(*) FROM checkpoints") == [(0,)]


def test_a_sealer_that_waits_for_the_database_is_left_behind(audited: Audited, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.database.threads.PATIENCE", 0.1)
    audited.grow(40)
    waits = Event()

    class Waiting(CheckpointSigner):
        def seal(self) -> int:
            waits.set()
            return super().seal()

    with audited.tree._turn():
        sealer = Sealer(Waiting(audited.tree, CurrentKey(SIGNING)), 0, tick=0.001)
        waits.wait()
        sealer.close()
        left = sealer._thread.is_alive()

    sealer._thread.join()
    assert left
