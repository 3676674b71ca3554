"""Whoever follows positions sees every event exactly once, however many writers commit at a time."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from time import sleep
from typing import Any

import pytest

from adapters.sql import Entry, GroupCommit, Receipt, Unavailable
from adapters.sql.log.writer import AppendItem, AppendOutcome, More
from tests.support.logs import Bench, wms

Append = Callable[[Entry], Receipt]

EACH = int(os.environ.get("HOOKFOLD_TEST_APPENDS", "100"))
"""Events of each of eight writers."""


@pytest.fixture
def processes(database_url: str) -> Iterator[list[Bench]]:
    benches = [Bench(database_url) for _ in range(8)]
    yield benches
    for bench in benches:
        bench.close()


@pytest.fixture(params=["alone", "grouped"])
def appends(request: pytest.FixtureRequest, processes: list[Bench]) -> Iterator[list[Append]]:
    """Every append path of the log, for each of the processes."""
    if request.param == "alone":
        yield [bench.append for bench in processes]
        return
    yield [GroupCommit(bench.log.commit).append for bench in processes]


def test_a_writer_that_commits_late_hides_no_event_from_a_follower(processes: list[Bench], appends: list[Append]):
    slow, fast = processes[0], processes[1]
    inside, release = Event(), Event()
    _stop_in_projection(slow, inside, release)

    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(appends[0], slow.entry("clinic", wms("late", 0)))
        inside.wait(20)
        early = pool.submit(appends[1], fast.entry("clinic", wms("early", 0)))
        seen_meanwhile = _after(processes[2], 0)
        release.set()
        positions = late.result().position, early.result().position

    assert seen_meanwhile == []
    assert positions == (1, 2)
    assert _after(processes[2], 0) == [1, 2]


def test_eight_writers_and_one_follower_whose_list_equals_the_table(processes: list[Bench], appends: list[Append]):
    done, seen = Event(), []  # type: ignore[var-annotated]
    follower = Thread(target=_follow, args=(processes[0], done, seen))
    follower.start()

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(_write, range(8), processes, appends))

    done.set()
    follower.join()
    table = [row[0] for row in processes[0].rows("SELECT position FROM events ORDER BY position")]
    assert seen == table == list(range(1, 8 * EACH + 1))
    assert sorted(position for some in receipts for position in some) == table


def test_one_delivery_at_many_writers_at_once_is_one_event(processes: list[Bench], appends: list[Append]):
    entry = processes[0].entry("clinic", wms("s", 0))

    with ThreadPoolExecutor(8) as pool:
        per_writer = pool.map(lambda append: [append(entry) for _ in range(6)], appends)
        receipts = [receipt for some in per_writer for receipt in some]

    assert sorted(receipt.verdict for receipt in receipts) == ["duplicate"] * 47 + ["new"]
    assert {receipt.position for receipt in receipts} == {1}


def test_two_writers_of_one_session_leave_the_state_of_all_its_events(processes: list[Bench], appends: list[Append]):
    names = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]

    for number, name in enumerate(names):
        appends[number % 2](processes[0].entry("clinic", wms("s", number, name)))

    assert processes[0].rows("SELECT state, position FROM projections") == [("started", 5)]


def _write(number: int, bench: Bench, append: Append) -> list[int]:
    entries = [bench.entry("clinic", wms(f"s{number}-{n // 20}", n % 20)) for n in range(EACH)]
    return [_sent(append, entry).position for entry in entries]


def _sent(append: Append, entry: Entry) -> Receipt:
    """The delivery is sent again until it is recorded: on a busy machine one of eight may not get its turn in time."""
    while True:
        try:
            return append(entry)
        except Unavailable:
            continue


def _follow(bench: Bench, done: Event, seen: list[int]) -> None:
    """Reads behind the last position seen, as a consumer of the feed does, and once more after the writers ended."""
    finished = False
    while not finished:
        finished = done.wait(0.01)
        while page := _after(bench, seen[-1] if seen else 0):
            seen.extend(page)


def _stop_in_projection(bench: Bench, inside: Event, release: Event) -> None:
    """Its next append stops under the append lock until it is released."""
    project = bench.log._projector.project

    def stopped(*given: Any) -> Any:
        inside.set()
        release.wait(20)
        return project(*given)

    bench.log._projector.project = stopped  # type: ignore[assignment, method-assign]  # it stands in for one append


def _after(bench: Bench, position: int) -> Sequence[int]:
    sql = f"SELECT position FROM events WHERE position > {position} ORDER BY position LIMIT 500"
    return [row[0] for row in bench.rows(sql)]


def test_threads_that_wait_together_commit_what_fits_one_after_the_other(
    processes: list[Bench], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.sql.log.batch_limits.MOST_BYTES", 1)
    bench, sizes = processes[0], []

    def commit(batch: Sequence[AppendItem], more: More) -> list[AppendOutcome]:
        sizes.append(len(batch))
        return bench.log.commit(batch, more)

    group = GroupCommit(commit)

    with ThreadPoolExecutor(4) as pool:
        with group._turn:
            told = [pool.submit(group.append, bench.entry("clinic", wms("s", number))) for number in range(4)]
            while len(group._waiting) < 4:
                sleep(0.001)

        assert sorted(one.result().position for one in told) == [1, 2, 3, 4]
    assert sizes == [1, 1, 1, 1]


def test_what_arrives_while_another_process_has_the_lock_joins_the_batch_that_waits_for_it(processes: list[Bench]):
    bench, other = processes[0], processes[1]
    inside, release, sizes = Event(), Event(), []
    _stop_in_projection(other, inside, release)

    def commit(batch: Sequence[AppendItem], more: More) -> list[AppendOutcome]:
        outcomes = bench.log.commit(batch, more)
        sizes.append((len(batch), len(outcomes)))
        return outcomes

    group = GroupCommit(commit)
    with ThreadPoolExecutor(5) as pool:
        holding = pool.submit(other.append, other.entry("clinic", wms("other", 0)))
        inside.wait(20)
        told = [pool.submit(group.append, bench.entry("clinic", wms("s", 0)))]
        while not group._turn.locked() or group._waiting:
            sleep(0.001)
        told += [pool.submit(group.append, bench.entry("clinic", wms("s", number))) for number in (1, 2, 2)]
        while len(group._waiting) < 3:
            sleep(0.001)
        release.set()

    assert holding.result().position == 1
    assert sizes == [(1, 4)]
    assert sorted(one.result().verdict for one in told) == ["duplicate", "new", "new", "new"]
    assert {one.result().position for one in told} == {2, 3, 4}
    assert bench.rows("SELECT position FROM events ORDER BY position") == [(1,), (2,), (3,), (4,)]


def test_a_process_that_appends_alone_does_not_look_for_more(processes: list[Bench]):
    bench = processes[0]
    bench.append(bench.entry("clinic", wms("s", 0)))
    asked: list[int] = []

    def more() -> list[AppendItem]:
        asked.append(1)
        return []

    for number in (1, 2, 3):
        bench.log.commit([bench.entry("clinic", wms("s", number))], more)

    assert asked == []


def test_who_does_not_get_the_turn_in_time_is_told_so_and_leaves_the_line(processes: list[Bench]):
    bench = processes[0]
    group = GroupCommit(bench.log.commit, patience=0.1)

    with group._turn, ThreadPoolExecutor(1) as pool:
        late = pool.submit(group.append, bench.entry("clinic", wms("s", 0)))
        with pytest.raises(Unavailable, match="does not end in time"):
            late.result()

    assert group.append(bench.entry("clinic", wms("s", 1))).position == 1
    assert bench.rows("SELECT count(*) FROM events") == [(1,)]
