"""Files in which deliveries wait for the log: what is whole comes back, what is not is told, and nothing is made up."""

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.server.commits.frames import pack
from adapters.server.commits.spool import DeliverySpool, Kept, SpoolFullError
from adapters.sql import Entry
from core.event import Unreadable

KEY = b"a key for tests only"


@pytest.fixture
def spool(tmp_path: Path) -> DeliverySpool:
    return DeliverySpool("captions", tmp_path / "captions", 1 << 20, KEY)


def waiting(body: bytes, *, behind: bool = False) -> Kept:
    return Kept(pack(Entry("captions", 1, [], body, None, b"k", Unreadable("x"))), behind)


def bodies(spool: DeliverySpool) -> list[bytes]:
    segment = spool.oldest()
    assert segment is not None
    return [item.body for item in spool.read(segment).items if isinstance(item, Entry)]


def test_what_was_kept_comes_back_in_order_and_who_only_queues_goes_to_the_log_where_nobody_waits(spool: DeliverySpool):
    assert spool.append([waiting(b"0", behind=True)]) == [False]
    assert spool.is_empty()
    assert spool.append([waiting(b"1"), waiting(b"2")]) == [True, True]
    assert spool.append([waiting(b"3", behind=True)]) == [True]

    assert bodies(spool) == [b"1", b"2", b"3"]
    assert (spool.state().size > 0, spool.state().oldest_at is not None) == (True, True)


def test_who_queues_behind_one_of_the_same_write_is_kept_behind_it(spool: DeliverySpool):
    assert spool.append([waiting(b"1"), waiting(b"2", behind=True)]) == [True, True]

    assert bodies(spool) == [b"1", b"2"]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the files in /proc")
def test_the_folders_of_a_new_segment_are_synced_before_its_first_byte_whoever_began_it(
    spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch
):
    steps: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        steps.append(Path(f"/proc/self/fd/{file}").readlink().name)
        real(file)

    spool.folder.mkdir()
    begun = spool.folder / "00000000000000000001.spool"
    begun.touch()  # by a process that was killed then
    monkeypatch.setattr(os, "fsync", fsync)

    spool.append([waiting(b"1")])

    assert steps == [*(one.name for one in (spool.folder, *spool.folder.parents[:2])), begun.name]
    steps.clear()
    spool.append([waiting(b"2")])
    assert steps == [begun.name]


def test_what_is_set_aside_counts_into_the_bound(tmp_path: Path):
    spool = DeliverySpool("captions", tmp_path / "captions", 1_000, KEY)
    spool.append([waiting(b"1" * 800)])
    segment = spool.oldest()
    assert segment is not None
    spool.set_aside(segment)

    with pytest.raises(SpoolFullError):
        spool.append([waiting(b"2" * 800)])


def test_a_frame_that_a_death_cut_short_is_passed_over_and_those_behind_it_are_not(spool: DeliverySpool):
    spool.append([waiting(b"1")])
    segment = spool.oldest()
    assert segment is not None
    whole = segment.read_bytes()
    for cut in (1, 8, 27, 28, len(whole) - 1):
        segment.write_bytes(whole + whole[:cut])
        spool.append([waiting(b"2")])

        read = spool.read(segment)

        assert ([item.body for item in read.items if isinstance(item, Entry)], read.unreadable) == ([b"1", b"2"], cut)
        assert read.end == segment.stat().st_size


def test_a_bit_that_fell_over_costs_its_own_frame_alone(spool: DeliverySpool):
    spool.append([waiting(b"1"), waiting(b"2"), waiting(b"3")])
    segment = spool.oldest()
    assert segment is not None
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)

    assert bodies(spool) == [b"1", b"3"]
    assert spool.read(segment).unreadable == len(data) // 3


def test_no_body_passes_for_a_frame(spool: DeliverySpool, tmp_path: Path):
    other = DeliverySpool("captions", tmp_path / "other", 1 << 20, b"a key of somebody else")
    other.append([waiting(b"made up")])
    forged = next((tmp_path / "other").glob("*.spool")).read_bytes()
    spool.append([waiting(b"1" + forged)])
    segment = spool.oldest()
    assert segment is not None

    segment.write_bytes(segment.read_bytes()[1:])  # the frame around it is no frame any more

    assert bodies(spool) == []


def test_beyond_its_bound_all_of_a_batch_are_refused_and_those_before_stay(tmp_path: Path):
    spool = DeliverySpool("captions", tmp_path / "captions", 1_000, KEY)
    spool.append([waiting(b"1")])

    with pytest.raises(SpoolFullError, match="of 1000 bytes"):
        spool.append([waiting(b"2"), waiting(b"3" * 1_000)])

    assert bodies(spool) == [b"1"]


def test_what_a_full_disk_took_in_part_is_taken_back(spool: DeliverySpool):
    spool.append([waiting(b"1")])
    segment = spool.oldest()
    assert segment is not None

    with _no_file_larger_than(segment.stat().st_size + 10), pytest.raises(OSError, match="File too large"):
        spool.append([waiting(b"2")])
    spool.append([waiting(b"3")])

    assert bodies(spool) == [b"1", b"3"]
    assert spool.read(segment).unreadable == 0


def test_a_large_segment_is_followed_by_the_next_one(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.spool.SEGMENT", 1)
    for number in range(3):
        spool.append([waiting(b"%d" % number)])

    found = []
    while (segment := spool.oldest()) is not None:
        found += bodies(spool)
        spool.remove(segment)

    assert found == [b"0", b"1", b"2"]


def test_what_is_set_aside_waits_no_more_and_is_counted(spool: DeliverySpool):
    spool.append([waiting(b"1")])
    segment = spool.oldest()
    assert segment is not None

    aside = spool.set_aside(segment)

    assert (spool.is_empty(), spool.state().aside, aside.exists()) == (True, 1, True)


def test_only_its_owner_may_read_what_waits(spool: DeliverySpool):
    spool.append([waiting(b"1")])
    segment = spool.oldest()

    assert segment is not None
    assert (segment.stat().st_mode & 0o777, spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)


@contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
