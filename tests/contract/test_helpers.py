"""Rebuilds with processes that help, on both databases: the same rows, whoever folds them and whoever dies."""

import errno
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adapters.sql import FoldFailure, ReplayProgress
from adapters.sql.replay import parallel_fold, stream_cursor
from adapters.sql.replay.difference import Differ
from core.folding import fold
from tests.support.logs import wms
from tests.support.releases import Release, faulty

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="helpers are forked"),
    # the tests' own runner has threads; none of them holds what a helper needs
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

SESSIONS = 60
STEPS = ("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED")

Start = Callable[..., Release]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a short log has many of them."""
    for module, name, size in (
        (stream_cursor, "CHUNK", 8),
        (parallel_fold, "CHUNK", 8),
        (parallel_fold, "PIECE", 2),
        (parallel_fold, "LOAD", 3),
        (parallel_fold, "MOST", 12),
    ):
        monkeypatch.setattr(module, name, size)


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    """Starts a process of a release, with helpers, over a log of many sessions, their events not in order."""
    started: list[Release] = []

    def make(machines: Any = fold.MACHINES, helpers: int = 2) -> Release:
        started.append(Release(database_url, machines, helpers))
        return started[-1]

    first = make()
    documents = [wms(f"s{session}", number, STEPS[number]) for number in (0, 2, 1, 3, 4) for session in range(SESSIONS)]
    first.log.append([first.entry("clinic", document) for document in documents])
    yield make
    for release in started:
        release.close()


@pytest.mark.parametrize("helpers", [1, 2])
def test_what_helpers_fold_is_what_one_process_folds(start: Start, helpers: int):
    release = start(helpers=helpers)
    appended = release.states("measurement")

    release.rebuild("measurement")

    assert release.own("measurement").endswith("-2")
    assert release.states("measurement") == appended
    assert len(appended) == SESSIONS


def test_progress_is_told_in_the_order_of_the_streams_and_counts_every_event(start: Start):
    release = start()

    release.rebuild("measurement")

    told = [(one.streams, one.events) for one in release.heard if isinstance(one, ReplayProgress)]
    assert told == sorted(told)
    assert told[-1] == (SESSIONS, SESSIONS * len(STEPS))


def test_helpers_that_are_killed_are_replaced_by_who_builds(start: Start):
    release = start()
    appended = release.states("measurement")
    helpers: list[Any] = []

    def kill(told: Any) -> None:
        helpers.extend(multiprocessing.active_children())
        for helper in multiprocessing.active_children():
            helper.kill()

    release.builder.finish(release.builder.build(["measurement"], kill))

    assert helpers
    assert release.states("measurement") == appended


def test_no_helper_outlives_a_rebuild_that_was_given_up(start: Start):
    release = start()

    def give_up(_: Any) -> None:
        if multiprocessing.active_children():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        release.builder.build(["measurement"], give_up)

    assert multiprocessing.active_children() == []


def test_a_stream_that_a_helper_cannot_fold_is_told_and_marked(start: Start):
    release = start(faulty("CAMERA_STARTED"))

    versions = release.builder.build(["measurement"], release.heard.append)

    failed = [one for one in release.heard if isinstance(one, FoldFailure)]
    assert len(failed) == SESSIONS
    assert {one.error.split(" in ")[0] for one in failed} == {"ZeroDivisionError"}
    assert release.marks() == SESSIONS
    assert [version.machine for version in versions] == ["measurement"]


def test_a_log_of_one_chunk_is_folded_without_help(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel_fold, "CHUNK", SESSIONS)
    monkeypatch.setattr(stream_cursor, "CHUNK", SESSIONS)
    release, helped = start(), []

    release.builder.build(["measurement"], lambda _: helped.extend(multiprocessing.active_children()))

    assert helped == []


@pytest.mark.parametrize("allowed", [0, 1])
def test_helpers_that_cannot_be_started_are_done_without(start: Start, monkeypatch: pytest.MonkeyPatch, allowed: int):
    release, forked, fork = start(), [], os.fork
    appended = release.states("measurement")

    def limited() -> int:
        forked.append(True)
        if len(forked) > allowed:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    release.rebuild("measurement")

    assert len(forked) == allowed + 1
    assert release.states("measurement") == appended


def test_what_helpers_compare_is_what_one_process_compares(start: Start):
    release, helped = start(), []
    with release.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE projections SET state = 'spoiled' WHERE kind = 'session'")

    alone, together = (differ(release, helpers) for helpers in (0, 2))
    *_, expected = alone.compare(["measurement"])
    for found in together.compare(["measurement"]):  # noqa: B007 - the last one is the whole
        helped += multiprocessing.active_children()

    assert helped
    assert found == expected
    assert (found.compared, [change.count for change in found.changes]) == (SESSIONS, [SESSIONS])


def test_no_helper_outlives_a_comparison_that_was_given_up(start: Start):
    found: Any = differ(start(), 2).compare(["measurement"])
    next(found)
    helped = multiprocessing.active_children()

    found.close()

    assert helped
    assert multiprocessing.active_children() == []


def test_no_more_is_read_while_many_events_wait_to_be_folded(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parallel_fold, "MOST_EVENTS", 1)
    release, most = start(), 0
    appended = release.states("measurement")
    seen = parallel_fold._Together._read

    def reading(together: Any) -> None:
        nonlocal most
        seen(together)
        most = max(most, sum(len(one.events) for piece in together._pieces for one in piece.histories))

    monkeypatch.setattr(parallel_fold._Together, "_read", reading)
    release.rebuild("measurement")

    assert most == 8 * len(STEPS)
    assert release.states("measurement") == appended


def differ(release: Release, helpers: int) -> Differ:
    return Differ(release.engine, release.code, helpers)
