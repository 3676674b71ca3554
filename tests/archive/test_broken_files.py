"""A file that is not as it was written is refused at the line that is wrong."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from adapters.archive.lines import Altered, Broken, End, Seal
from adapters.sql import ImportOutcome, Unimportable
from adapters.sql.database.tables import payloads
from core.ids import Ids
from tests.archive.conftest import Make
from tests.support.travel import Place

IDS = Ids(b"a secret for tests only, 32 byte")


@pytest.fixture(params=["sqlite", "postgresql"])
def here(request: pytest.FixtureRequest, place: Make) -> Place:
    """An empty log."""
    return place(request.param)


@pytest.fixture
def file(place: Make) -> bytes:
    """The export of a log with traffic in it."""
    there = place("sqlite")
    there.busy()
    return there.export()


def test_a_flipped_byte_is_refused_with_its_line_and_nothing_behind_it_is_imported(here: Place, file: bytes):
    lines = file.splitlines(keepends=True)
    broken = lines[7][:200] + bytes([lines[7][200] ^ 1]) + lines[7][201:]
    outcome = ImportOutcome()

    with pytest.raises(Unimportable, match=r"^line 8: the hash does not fit"):
        here.take(b"".join([*lines[:7], broken, *lines[8:]]), outcome=outcome)

    assert (outcome.kept, outcome.appended) == (4, 0)
    assert here.rows("SELECT position FROM events ORDER BY position") == [(1,), (2,), (3,), (4,)]


def test_every_byte_counts(place: Make, file: bytes):
    here, chance = place("sqlite"), random.Random(4)
    for at in chance.sample(range(len(file)), 150):
        line = file[:at].count(b"\n") + 1
        outcome = ImportOutcome()

        with pytest.raises(Unimportable) as refused:
            here.take(file[:at] + bytes([file[at] ^ 1 << chance.randrange(8)]) + file[at + 1 :], outcome=outcome)

        assert refused.value.line == line
        assert outcome.kept + outcome.known <= line


@pytest.mark.parametrize("at", [1, 2, 5, 12, 18])
def test_a_missing_line_is_refused_at_the_next_one(here: Place, file: bytes, at: int):
    lines = file.splitlines(keepends=True)

    with pytest.raises(Unimportable, match=f"^line {at + 1}: "):
        here.take(b"".join([*lines[:at], *lines[at + 1 :]]))


def test_two_lines_that_changed_places_are_refused(here: Place, file: bytes):
    lines = file.splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]

    with pytest.raises(Unimportable, match=r"^line 5: "):
        here.take(b"".join(lines))


def test_a_file_that_was_cut_off_is_told_although_every_line_of_it_is_whole(here: Place, file: bytes):
    lines = file.splitlines(keepends=True)

    with pytest.raises(Unimportable, match="cut off"):
        here.take(b"".join(lines[:-1]))

    assert here.rows("SELECT count(*) FROM events") == [(14,)]


def test_what_stands_behind_the_end_is_refused(here: Place, file: bytes):
    with pytest.raises(Unimportable, match="behind the end"):
        here.take(file + b"\n")


@pytest.mark.parametrize("nonsense", [b"", b"\n", b"{}\n", b"[1]\n", b"\xff\xfe\n", b"position,type\n1,x\n"])
def test_what_is_no_export_is_refused(here: Place, nonsense: bytes):
    with pytest.raises(Unimportable, match=r"^line 1: "):
        here.take(nonsense)


def test_an_event_that_was_changed_in_the_log_itself_is_refused_by_its_leaf(here: Place, place: Make):
    there = place("sqlite")
    there.busy()
    with there.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE payloads SET body = CAST('{}' AS BLOB) WHERE position = 6")

    with pytest.raises(Unimportable, match="its leaf hash does not fit"):
        here.take(there.export())


@pytest.mark.parametrize("altered", [b"", b"\xff", b"\x01\x80\xff", b"\x01\x00x-own:1"])
def test_an_event_whose_headers_were_altered_in_the_log_itself_is_refused_by_its_leaf(
    here: Place, place: Make, altered: bytes
):
    there = place("sqlite")
    there.busy()
    with there.engine.begin() as connection:
        connection.execute(update(payloads).where(payloads.c.position == 6).values(headers=altered))

    with pytest.raises(Unimportable, match="its leaf hash does not fit"):
        here.take(there.export())


def test_a_rejection_whose_headers_were_altered_in_the_log_is_named_and_no_file_is_made_of_it(busy: Place):
    altered = {"sqlite": "CAST(x'ff' AS BLOB)", "postgresql": "'\\xff'::bytea"}[busy.engine.dialect.name]
    with busy.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET headers = {altered} WHERE verdict = 'rejected'")

    with pytest.raises(Altered, match=r"^delivery \d+ of clinic: its headers are no text"):
        busy.export()


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=5))
def test_a_seal_opens_what_it_closed_and_only_in_order(counts: list[int]):
    close, reopen, backwards = Seal(IDS), Seal(IDS), Seal(IDS)

    lines = [close.close(End(events=count, deliveries=at)) for at, count in enumerate(counts)]

    assert [reopen.open(line)[:14] for line in lines] == [b'{"line":"end",'] * len(lines)
    if len(lines) > 1:
        with pytest.raises(Broken):
            backwards.open(lines[1])
