"""What a changed machine would change is told exactly, and nothing is written for it."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sql import Difference, Recorder, Replay
from core.folding import fold
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


def test_the_difference_of_a_source_alone(releases):
    old, new = releases
    with old.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE projections SET state = 'spoiled' WHERE source = 'clinic'")
        connection.exec_driver_sql(f"DELETE FROM streams WHERE stream = '{session('cy')}'")

    *_, clinic = replay(new).compare((), "clinic")
    *_, captions = replay(new).compare((), "captions")

    assert (clinic.compared, [change.was for change in clinic.changes]) == (1, ["spoiled"])
    assert captions.compared == 2
    assert {change.ids[0] for change in captions.changes} == {session("bob"), session("cy")}


def test_a_difference_that_comes_of_the_configuration_says_so(releases):
    old, _ = releases
    old.code.sources["captions"].settings = fold.Settings(package_name="com.example.other")

    def causes() -> dict[str, set[tuple[Any, ...]]]:
        told = [(change.now or "", one.cause) for change in compared(old).changes for one in change.examples]
        assert all(cause is not None for _, cause in told)
        return {
            now: {(one.position, one.type, one.was, one.now) for other, one in told if one and other == now}
            for now, _ in told
        }

    unrecorded = causes()
    changes = [{"source": "captions", "change": "package_name", "from": None, "to": "com.example.other"}]
    old.append(recorder(old).entry("configuration_changed", changes=changes))
    recorded = causes()

    judged = "the session's id names com.example.captions, configured is com.example.other"
    assert unrecorded["clock_skew, wrong_package"] == {(3, "session_request", "another package_name", judged)}
    event = (7, "configuration_changed", "package_name not set", "package_name com.example.other")
    assert recorded == {kind: {event} for kind in unrecorded}


def test_a_difference_that_the_configuration_has_no_part_in_does_not_blame_it(releases):
    old, _ = releases
    old.append(recorder(old).entry("configuration_changed", changes=[{"source": "captions", "change": "package_name"}]))
    with old.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE projections SET state = 'spoiled' WHERE stream = '{session('cy')}'")

    (change,) = compared(old).changes

    assert change.examples[0].cause is None


def recorder(release: Release) -> Recorder:
    return Recorder(release.append, lambda: 0, "command line")


def test_a_session_is_changed_by_other_machines_only(releases):
    _, new = releases

    *_, found = replay(new).compare([name for name in fold.MACHINES if name != "session"])

    assert found.changes == []
