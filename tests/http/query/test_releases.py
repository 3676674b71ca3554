"""What a release answers while it has folded nothing, after it has, and beside another one."""

import socket
import subprocess
import sys
import time
from itertools import count
from threading import Event
from typing import Any

import pytest

from adapters.sql import Part, Plans, Replay, ReplayRefused, Unavailable
from adapters.sql.database import tables
from core.folding import fold
from tests.support.house import NOON, House, wms
from tests.support.releases import changed

SCAN = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]


def recovery(user: str) -> dict[str, str]:
    times = {"timestamp": "2023-11-14T22:00:00.000Z", "mentraOSWebsocketUrl": "wss://cloud.example.com/app-ws"}
    return {"type": "session_recovery", "sessionId": f"{user}-com.example.captions", "userId": user, **times}


@pytest.fixture
def houses(database_url, monkeypatch):
    """An older release that has folded some streams, and a newer one that has folded none."""
    older = House(database_url)
    for user in ("ann", "bob", "cy"):
        older.send("captions", recovery(user))
    for number, event in enumerate(SCAN):
        older.send("clinic", wms("scan", number, event))
    monkeypatch.setitem(fold.MACHINES, "session", changed()["session"])
    newer = House(database_url)
    yield older, newer
    newer.close()
    older.close()


def replay(house: House) -> Replay:
    return Replay(house.engine, house.code, lambda: 10**15)


def test_a_release_that_has_folded_nothing_answers_from_the_log(houses):
    _, newer = houses

    newer.send("captions", recovery("dan"))

    assert [one["state"] for one in newer.get("/v1/sessions", user_id="dan")["data"]] == ["active"]
    listed = [(one["user_id"], one["state"]) for one in newer.get("/v1/sessions", provider="mentraos")["data"]]
    assert listed == [("dan", "active"), ("cy", "active"), ("bob", "active"), ("ann", "active")]
    ready = newer.get("/readyz")
    assert (ready["status"], ready["lag"]) == ("unbuilt", 9)


def test_a_measurement_is_found_by_our_id_before_its_release_has_folded_anything(houses):
    _, newer = houses
    (measurement,) = newer.get("/v1/measurements")["data"]

    found = newer.get(f"/v1/measurements/{measurement['id']}")

    assert found == measurement
    newer.get("/v1/measurements/mea_" + "a" * 26, status=404)


def test_after_a_replay_the_same_answers_come_from_what_is_stored(houses):
    _, newer = houses
    before = newer.get("/v1/sessions")["data"]

    replay(newer).rebuild((), lambda _: None)

    assert newer.get("/v1/sessions")["data"] == before
    assert newer.get("/readyz")["status"] == "ok"
    assert newer.get("/readyz")["lag"] == 0


def test_a_process_says_that_other_code_serves_and_that_it_still_answers_with_its_own(houses, monkeypatch):
    older, newer = houses
    replay(newer).rebuild((), lambda _: None)
    monkeypatch.undo()

    assert older.get("/readyz")["status"] == "retired"


def test_what_another_release_appends_is_folded_before_the_next_answer(houses, monkeypatch):
    older, newer = houses
    replay(newer).rebuild((), lambda _: None)
    assert len(newer.get("/v1/sessions")["data"]) == 4
    monkeypatch.undo()
    older.send("captions", recovery("dan"))
    older.send("captions", recovery("eve"))
    monkeypatch.setitem(fold.MACHINES, "session", changed()["session"])

    listed = newer.get("/v1/sessions", provider="mentraos")["data"]

    assert [(one["user_id"], one["state"]) for one in listed[:2]] == [("eve", "active"), ("dan", "active")]
    assert newer.get("/readyz")["lag"] == 0


def test_a_rollback_is_refused_while_only_the_older_code_could_catch_its_version_up(houses):

    _, newer = houses
    replay(newer).rebuild((), lambda _: None)
    newer.send("captions", recovery("dan"))

    with pytest.raises(ReplayRefused, match="only the release that has its code"):
        replay(newer).rollback(("session",))


def test_after_a_rollback_by_the_older_release_its_states_are_told_again(houses, monkeypatch):
    older, newer = houses
    replay(newer).rebuild((), lambda _: None)
    newer.send("captions", recovery("dan"))
    monkeypatch.undo()

    replay(older).rollback(("session",))

    listed = older.get("/v1/sessions", provider="mentraos")["data"]
    assert [one["state"] for one in listed] == ["recovering"] * 4
    assert {one["status"] for one in older.get("/readyz")["folding"] if one["own"]} == {"serving"}


def test_a_version_that_was_dropped_leaves_no_row(houses):
    _, newer = houses
    replay(newer).rebuild((), lambda _: None)

    replay(newer).drop()

    with newer.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT fingerprint FROM projections").scalars().all()
        known = connection.exec_driver_sql("SELECT version FROM versions").scalars().all()
    assert set(left) <= set(known)
    assert len(known) == len(fold.MACHINES)


def test_every_change_of_what_serves_is_on_record(houses):
    _, newer = houses
    given = (newer.engine, newer.code, lambda: 10**15)
    recorded = Replay(*given, record=newer.recorder.record)

    recorded.rebuild((), lambda _: None)
    recorded.rollback(("session",))
    recorded.drop()
    recorded.drop()

    told = newer.get("/v1/events", source="hookfold")["data"]
    assert [one["type"] for one in told] == ["replayed", "switched", "switched", "dropped"]


def test_retired_versions_older_than_two_go_with_the_next_switch_and_that_is_on_record(houses):
    _, newer = houses
    clock = count(2 * NOON)
    replaying = Replay(newer.engine, newer.code, lambda: next(clock), record=newer.recorder.record)
    (oldest,) = [name for name, status in versions_of(newer, "session") if status == "serving"]
    for _ in range(2):
        replaying.rebuild(("session",), lambda _: None)
    before = versions_of(newer, "session")

    replaying.rebuild(("session",), lambda _: None, serve=False)
    kept = versions_of(newer, "session")
    replaying.rebuild(("session",), lambda _: None)
    after = versions_of(newer, "session")

    dropped = [one for one in newer.get("/v1/events", source="hookfold")["data"] if one["type"] == "dropped"]
    assert [status for _, status in before] == ["retired", "retired", "serving"]
    assert {name for name, _ in kept} > {name for name, _ in before}
    assert [status for _, status in after] == ["retired", "retired", "serving"]
    assert oldest not in dict(after)
    assert [newer.get(f"/v1/events/{one['position']}")["data"]["versions"] for one in dropped] == [[oldest]]
    assert dict(after).keys() == set(rows_of(newer, "session"))


def versions_of(house: House, machine: str) -> list[tuple[str, str]]:
    with house.engine.connect() as connection:
        sql = f"SELECT version, status FROM versions WHERE machine = '{machine}' ORDER BY registered_at, version"
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def rows_of(house: House, machine: str) -> list[str]:
    with house.engine.connect() as connection:
        sql = f"SELECT DISTINCT fingerprint FROM projections WHERE machine = '{machine}'"
        return list(connection.exec_driver_sql(sql).scalars())


def test_a_switch_back_that_another_one_overtook_is_refused(houses):
    _, newer = houses
    given = (newer.engine, newer.code, lambda: 10**15)
    Replay(*given).rebuild((), lambda _: None)

    def overtaken(_kind: str, /, **_what: Any) -> None:
        Replay(*given).rollback(("session",))

    with pytest.raises(ReplayRefused, match="meanwhile"):
        Replay(*given, record=overtaken).rollback(("session",))


@pytest.mark.parametrize("act", ["rebuild", "rollback", "again", "drop"])
def test_what_cannot_be_recorded_is_not_done(houses, act):
    _, newer = houses
    given = (newer.engine, newer.code, lambda: 10**15)
    Replay(*given).rebuild((), lambda _: None)
    acts = {
        "rebuild": lambda replay: replay.rebuild(("session",), lambda _: None),
        "rollback": lambda replay: replay.rollback(("session",)),
        "again": lambda replay: replay.again(Part(kind="session"), lambda _: None),
        "drop": lambda replay: replay.drop(),
    }

    def refused(_kind: str, /, **_what: Any) -> None:
        raise Unavailable("nobody records")

    before = served(newer)
    with pytest.raises(Unavailable):
        acts[act](Replay(*given, record=refused))

    assert served(newer) == before


def served(house: House) -> list[Any]:
    with house.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT fingerprint, count(*) FROM projections GROUP BY 1 ORDER BY 1")
        marked = connection.exec_driver_sql("SELECT source, stream, version FROM unfolded ORDER BY 1, 2, 3")
        state = connection.exec_driver_sql("SELECT version FROM versions WHERE status = 'serving' ORDER BY 1")
        return [list(rows), list(marked), list(state)]


def test_one_source_can_be_folded_anew_in_place(houses, monkeypatch):
    older, _ = houses
    monkeypatch.undo()
    with older.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE projections SET state = 'spoiled'")
    from adapters.sql import Part

    folded = replay(older).again(Part(source="captions"), lambda _: None)

    assert folded == 3
    assert {one["state"] for one in older.get("/v1/sessions", state="recovering")["data"]} == {"recovering"}
    with older.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT source, state FROM projections").all()
    assert {(source, state) for source, state in rows} == {("captions", "recovering"), ("clinic", "spoiled")}


def test_what_an_event_was_recorded_of_since_a_time_is_folded_anew(houses, monkeypatch):
    older, _ = houses
    monkeypatch.undo()
    from adapters.sql import Part

    every = replay(older).again(Part(since=0), lambda _: None)
    none = replay(older).again(Part(since=1 << 62), lambda _: None)

    assert every > 3
    assert none == 0


@pytest.fixture
def planning(houses):
    """The newer release, with replays over HTTP; waits until a plan is in one of some states."""
    _, newer = houses
    object.__setattr__(newer.api, "plans", Plans(newer.engine, lambda _: replay(newer), lambda: 10**15))

    def until(plan: str, *statuses: str):
        deadline = time.monotonic() + 20
        while (found := newer.get(f"/v1/replays/{plan}"))["status"] not in statuses:
            assert time.monotonic() < deadline, found
            time.sleep(0.01)
        return found

    return newer, until


def test_a_replay_over_http_is_planned_then_confirmed(planning):
    newer, until = planning

    asked = newer.client.post("/v1/replays", json={"machines": ["session"]}).json
    planned = until(asked["id"], "planned", "failed")
    confirmed = newer.client.post(f"/v1/replays/{asked['id']}/confirm", json={})
    done = until(asked["id"], "done", "failed")

    assert planned["error"] is None
    (change,) = planned["changes"]["changes"]
    assert (change["kind"], change["was"], change["now"], change["count"]) == ("session", "recovering", "active", 3)
    assert change["examples"][0]["cause"]["type"] == "session_recovery"
    assert confirmed.status_code == 200
    assert (done["status"], done["error"]) == ("done", None)
    assert newer.get("/readyz")["status"] == "ok"
    assert [one["id"] for one in newer.get("/v1/replays")["data"]] == [asked["id"]]


def test_nothing_has_to_be_said_to_plan_and_to_confirm(planning):
    newer, until = planning

    asked = newer.client.post("/v1/replays")
    until(asked.json["id"], "planned")
    confirmed = newer.client.post(f"/v1/replays/{asked.json['id']}/confirm")

    assert (asked.status_code, confirmed.status_code) == (200, 200)
    until(asked.json["id"], "done")


def test_what_is_no_list_of_machines_is_told_in_our_words(planning):
    newer, _ = planning

    details = [newer.client.post("/v1/replays", json={"machines": value}).json["detail"] for value in ("session", [1])]

    assert details == ["machines: expected a list", "machines: expected text"]


def test_a_plan_is_confirmed_once(planning):
    newer, until = planning
    asked = newer.client.post("/v1/replays", json={}).json
    until(asked["id"], "planned")
    newer.client.post(f"/v1/replays/{asked['id']}/confirm", json={})

    again = newer.client.post(f"/v1/replays/{asked['id']}/confirm", json={})

    assert (again.status_code, again.content_type) == (409, "application/problem+json")
    until(asked["id"], "done")


def test_one_replay_is_planned_at_a_time(planning):
    newer, until = planning
    held = Event()

    def replay_later(_: str | None) -> Replay:
        held.wait(20)
        return replay(newer)

    object.__setattr__(newer.api, "plans", Plans(newer.engine, replay_later, lambda: 10**15))
    first = newer.client.post("/v1/replays", json={}).json

    second = newer.client.post("/v1/replays", json={})

    assert (second.status_code, second.json["title"]) == (409, "Conflict")
    assert first["id"] in second.json["detail"]
    assert [one["id"] for one in newer.get("/v1/replays")["data"]] == [first["id"]]
    held.set()
    until(first["id"], "planned")
    assert newer.client.post("/v1/replays", json={}).status_code == 200


def test_a_plan_whose_process_has_ended_is_told_as_failed_and_holds_up_nobody(planning):
    newer, until = planning
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = ("left", 1, "", "planning", f"{dead.stdout.decode().strip()}@{socket.gethostname()}")
    with newer.engine.begin() as connection:
        connection.execute(tables.replays.insert().values((*left, None, None)))

    told = newer.get("/v1/replays/left")
    following = newer.client.post("/v1/replays", json={})

    assert (told["status"], "has ended" in told["error"], following.status_code) == ("failed", True, 200)
    until(following.json["id"], "planned")


def test_a_replay_of_a_machine_that_is_none_is_no_replay(planning):
    newer, _ = planning

    assert newer.client.post("/v1/replays", json={"machines": ["nobody"]}).status_code == 404
    assert newer.client.post("/v1/replays/nothing/confirm", json={}).status_code == 404
    newer.get("/v1/replays/nothing", status=404)
