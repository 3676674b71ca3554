"""Two releases over one log, on both databases: who writes what, what is marked, what a rebuild and a switch leave."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.folding import fold
from tests.support.logs import wms
from tests.support.releases import Release, changed, faulty

Start = Callable[..., Release]


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    """Starts a process of a release over the test's database."""
    started: list[Release] = []

    def make(machines: Any = fold.MACHINES) -> Release:
        started.append(Release(database_url, machines))
        return started[-1]

    yield make
    for release in started:
        release.close()


def glasses(user: str, kind: str = "session_recovery", at: str = "10:00:00") -> dict[str, Any]:
    more = {"reason": "user_disabled"} if kind == "stop_request" else {"websocketUrl": "wss://cloud.example.com/ws"}
    ids = {"sessionId": f"{user}-com.example.captions", "userId": user}
    return {"type": kind, **ids, "timestamp": f"2026-01-01T{at}.000Z", **more}


def test_the_first_version_of_an_empty_log_serves_at_once(start: Start):
    release = start()

    release.append(release.entry("captions", glasses("ada")))

    assert release.statuses("session") == ["serving"]
    assert release.marks() == 0


def test_code_whose_version_is_unbuilt_marks_every_stream_that_it_touches_for_both(start: Start):
    old, new = start(), start(changed())
    old.append(old.entry("captions", glasses("ada")))

    new.append(new.entry("captions", glasses("bob")))

    assert sorted(new.statuses("session")) == ["serving", "unbuilt"]
    assert new.marks() == 2
    assert len(old.states("session")) == 1


def test_a_marked_stream_is_folded_anew_by_the_release_that_it_was_marked_for(start: Start):
    old, new = start(), start(changed())
    old.append(old.entry("captions", glasses("ada", "session_request")))
    new.append(new.entry("captions", glasses("ada", "stop_request", "10:05:00")))

    old.append(old.entry("captions", glasses("ada", "session_request", "10:06:00")))

    ((_, state),) = ((stream, row[0]) for stream, row in old.states("session").items())
    assert state == "active"
    assert [row[4] for row in old.states("session").values()] == [3]


def test_a_rebuild_by_other_code_switches_to_what_that_code_folds(start: Start):
    old, new = start(), start(changed())
    for number in range(3):
        old.append(old.entry("captions", glasses(f"user{number}")))

    new.rebuild()

    assert sorted(new.statuses("session")) == ["retired", "serving"]
    assert [row[0] for row in new.states("session").values()] == ["active"] * 3
    assert [row[0] for row in old.states("session").values()] == ["recovering"] * 3
    assert new.marks() == 0


def test_both_releases_go_on_after_the_switch_each_with_its_own_rows(start: Start):
    old, new = start(), start(changed())
    old.append(old.entry("captions", glasses("ada")))
    new.rebuild("session")

    old.append(old.entry("captions", glasses("bob")))
    new.append(new.entry("captions", glasses("bob", at="10:01:00")))

    assert sorted(row[0] for row in new.states("session").values()) == ["active", "recovering"]
    assert new.marks() == 1


def test_a_rebuild_by_the_same_code_gives_the_same_rows_under_another_name(start: Start):
    release = start()
    _fill(release)
    before = {name: release.states(name) for name in fold.MACHINES}

    release.rebuild()

    assert {name: release.states(name) for name in fold.MACHINES} == before
    assert release.own("session").endswith("-2")
    assert sorted(release.statuses("session")) == ["retired", "serving"]
    measured = f"SELECT measurement FROM measurements WHERE fingerprint = '{release.own('measurement')}'"
    assert len(release.rows(measured)) == 2


def test_what_is_appended_while_a_version_is_built_is_in_it(start: Start):
    release, builder = start(), start()
    _fill(release)

    versions = builder.builder.build(tuple(fold.MACHINES), lambda _: _append_one(release))
    builder.builder.finish(versions)

    expected = {name: release.states(name) for name in fold.MACHINES}
    release.rebuild()
    assert {name: release.states(name) for name in fold.MACHINES} == expected
    assert len(expected["measurement"]) > 2


def test_a_conflict_is_seen_by_every_process_and_by_every_version(start: Start):
    one, other, new = start(), start(), start(changed())
    headers = [("svix-id", "msg_1")]
    one.append(one.entry("energy", {"actionId": "a", "result": {"success": True}}, headers))
    other.append(other.entry("energy", {"actionId": "a", "failedAt": "2026-01-01T00:00:00Z"}, headers))

    one.append(one.entry("energy", {"actionId": "a", "result": {"success": True}}, [("svix-id", "msg_2")]))
    new.rebuild("action")

    assert one.rows("SELECT conflicts FROM projections WHERE kind = 'action'") == [("1",), ("1",)]


def test_a_conflict_that_is_only_counted_is_one_in_every_version(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 0)
    release, new = start(), start(changed())
    for number in range(2):
        for body in ({"result": 1}, {"result": 2}):
            entry = release.entry("energy", {"actionId": f"a{number}", **body}, [("svix-id", f"msg_{number}")])
            release.append(entry)

    new.rebuild("action")

    assert release.rows("SELECT position FROM deliveries") == [(2,)]
    told = release.rows("SELECT conflicts FROM projections WHERE kind = 'action' ORDER BY opened")
    assert told == [("1",), ("1",), ("2",), ("2",)]


def test_a_fault_of_the_fold_loses_no_event_and_spoils_no_other_stream(start: Start):
    release = start(faulty("CONFIGURATION_LOADED"))

    batch = [release.entry("clinic", wms("s", 0)), release.entry("clinic", wms("s", 1, "CONFIGURATION_LOADED"))]
    receipts = release.log.append([*batch, release.entry("captions", glasses("ada"))])

    assert [receipt.verdict for receipt in receipts] == ["new"] * 3
    assert release.rows("SELECT DISTINCT reading FROM events") == [("ok",)]
    ((error,),) = release.rows("SELECT error FROM unfolded")
    assert error.startswith("ZeroDivisionError")
    assert "ada@" not in error
    assert len(release.states("session")) == 1


def test_code_that_mends_the_fault_folds_the_stream_at_its_next_event(start: Start):
    broken = start(faulty("CONFIGURATION_LOADED"))
    broken.append(broken.entry("clinic", wms("s", 0)))
    broken.append(broken.entry("clinic", wms("s", 1, "CONFIGURATION_LOADED")))

    mended = start()
    mended.append(mended.entry("clinic", wms("s", 2, "CAMERA_PERMISSION_GRANTED")))

    assert [row[0] for row in mended.states("measurement").values()] == ["camera_granted"]
    assert mended.marks() == 0


def _fill(release: Release) -> None:
    steps = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]
    entries = [release.entry("clinic", wms(f"s{at}", n, step)) for at in range(2) for n, step in enumerate(steps)]
    entries += [release.entry("captions", glasses(f"user{at}")) for at in range(2)]
    entries += [
        release.entry(
            "energy", {"actionId": f"a{at}", "deviceId": "car", "result": {"ok": True}}, [("svix-id", f"m{at}")]
        )
        for at in range(2)
    ]
    release.log.append(entries)


def _append_one(release: Release) -> None:
    number = release.rows("SELECT count(*) FROM events")[0][0]
    release.append(release.entry("clinic", wms(f"late{number}", 0)))
    release.append(release.entry("clinic", wms("s0", 5, "MEASUREMENT_CREATED", measurementId="m1")))
