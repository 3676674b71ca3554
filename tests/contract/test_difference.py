"""What a changed machine would change is told exactly, and nothing is written for it."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sql import Difference, Replay
from core import fold
from tests.support.logs import IDS, wms
from tests.support.releases import Release, changed


@pytest.fixture
def releases(database_url: str) -> Iterator[tuple[Release, Release]]:
    """An older release that has folded everything, and a newer one in which a recovery from nothing is active."""
    old, new = Release(database_url), Release(database_url, changed())
    for user in ("ada", "bob"):
        old.append(old.entry("captions", glasses(user, "session_recovery", "10:00:00")))
    for kind, at in (("session_request", "10:00:00"), ("session_recovery", "10:01:00")):
        old.append(old.entry("captions", glasses("cy", kind, at)))
    old.append(old.entry("captions", glasses("ada", "stop_request", "10:05:00")))
    old.append(old.entry("clinic", wms("s", 0)))
    yield old, new
    new.close()
    old.close()


def glasses(user: str, kind: str, at: str) -> dict[str, Any]:
    more = {"reason": "user_disabled"} if kind == "stop_request" else {"websocketUrl": "wss://cloud.example.com/ws"}
    ids = {"sessionId": f"{user}-com.example.captions", "userId": user}
    return {"type": kind, **ids, "timestamp": f"2026-01-01T{at}.000Z", **more}


def replay(release: Release) -> Replay:
    return Replay(release.engine, release.code, lambda: 10**15)


def compared(release: Release) -> Difference:
    *_, found = replay(release).compare(())
    return found


def session(user: str) -> str:
    return IDS.of("session", "captions", f"{user}-com.example.captions")


def test_the_same_code_would_change_nothing(releases):
    old, _ = releases

    found = compared(old)

    assert (found.changes, found.failed, found.behind) == ([], [], 0)
    assert found.compared == 4


def test_a_row_that_no_stream_stands_behind_is_told_as_one_that_would_go(releases):
    old, _ = releases
    with old.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM streams WHERE stream = '{session('bob')}'")

    found = compared(old)

    (change,) = found.changes
    assert (change.what, change.was, change.now, change.ids) == ("row", "there", None, [session("bob")])


def test_exactly_the_sessions_that_change_are_named_with_the_event_that_makes_the_difference(releases):
    _, new = releases

    found = compared(new)

    assert [(change.kind, change.what, change.was, change.now) for change in found.changes] == [
        ("session", "state", "recovering", "active")
    ]
    (change,) = found.changes
    assert (change.count, change.ids) == (1, [session("bob")])
    (example,) = change.examples
    assert example.cause is not None
    assert (example.cause.position, example.cause.type) == (2, "session_recovery")
    assert example.cause.was == "-> recovering (unexpected, begins a run)"
    assert example.cause.now == "-> active (unexpected, begins a run)"


def test_what_was_told_comes_true_after_the_switch_and_is_undone_by_the_way_back(releases):
    old, new = releases

    new.rebuild()

    assert new.states("session")[session("bob")][0] == "active"
    assert new.states("session")[session("cy")][0] == "recovering"
    replay(old).rollback(())
    assert old.states("session")[session("bob")][0] == "recovering"
    assert old.statuses("session") == ["serving", "retired"]


def test_nothing_is_written_for_a_comparison(releases):
    _, new = releases
    tables = ("projections", "measurements", "unfolded", "versions", "service")
    before = {table: sorted(map(str, new.rows(f"SELECT * FROM {table}"))) for table in tables}

    compared(new)

    assert {table: sorted(map(str, new.rows(f"SELECT * FROM {table}"))) for table in tables} == before


def test_a_measurement_that_would_end_otherwise_is_named_itself(releases):
    old, _ = releases
    steps = ["CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]
    old.log.append([old.entry("clinic", wms("s", number, step)) for number, step in enumerate(steps, 1)])
    with old.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE measurements SET state = 'spoiled'")

    found = compared(old)

    assert [(change.kind, change.was, change.now) for change in found.changes] == [
        ("measurement", "spoiled", "started")
    ]
    assert found.changes[0].examples[0].stream == IDS.of("session", "clinic", "s")


def test_a_stream_that_the_serving_version_has_not_folded_to_its_end_is_left_out(releases):
    _, new = releases
    new.append(new.entry("captions", glasses("bob", "stop_request", "10:07:00")))

    found = compared(new)

    assert (found.behind, found.changes) == (1, [])


def test_a_session_is_changed_by_other_machines_only(releases):
    _, new = releases

    *_, found = replay(new).compare([name for name in fold.MACHINES if name != "session"])

    assert found.changes == []
