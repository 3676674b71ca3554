"""What a stream's row holds has bounds, however long the stream: the rest is counted, or stands in rows of its own."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from adapters.sql import Code, LongStreams
from adapters.sql.erasure.erase import Eraser
from adapters.sql.erasure.retract import Retractor
from adapters.sql.projections.invalidation import Invalidator
from core.folding.fold import MACHINES, decode
from core.states.records import KEPT
from core.states.state import BLOCK, HELD
from tests.support.house import House, start, stop, wms
from tests.support.rows import folded_whole, stored

RUNS = 2 * BLOCK + HELD + 3


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    yield house
    house.close()


def at(number: int, second: int) -> str:
    return f"{number // 60:02}:{number % 60:02}:{second:02}"


def use(house: House, user: str = "ann@example.com", first: int = 0) -> None:
    """A session that is started and stopped again and again under its one id."""
    documents = [
        document
        for number in range(first, RUNS)
        for document in (start(user, at(number, 0)), stop(user, at(number, 30), f"reason {number}"))
    ]
    house.log.append([house.entry("captions", document) for document in documents])


def told(house: House, **asked: Any) -> list[Any]:
    ((session,),) = (house.get("/v1/sessions")["data"],)
    return [run for page in house.walk(f"/v1/sessions/{session['id']}/runs", **asked) for run in page]


def snapshot(house: House, machine: str = "session") -> Any:
    with house.engine.connect() as connection:
        ((found,),) = connection.execute(text(f"SELECT snapshot FROM projections WHERE machine = '{machine}'"))
    return decode(MACHINES[machine], found)


def test_ended_runs_leave_the_row_and_are_paged_with_those_that_are_in_it(house: House):
    use(house)

    found = told(house, limit=7)

    assert [run["run"] for run in found] == list(range(1, RUNS + 1))
    assert [run["reason"] for run in found] == [f"reason {number}" for number in range(RUNS)]
    assert HELD <= len(snapshot(house).runs) < HELD + BLOCK
    assert snapshot(house).over == []
    assert told(house, known_at_position=2 * RUNS) == found


def test_an_erasure_keeps_the_runs_of_a_stream_whose_source_is_no_longer_configured(house: House):
    use(house)
    left = {name: source for name, source in house.code.sources.items() if name != "captions"}
    invalidator = Invalidator(house.log._dialect, Code(house.ids, left))
    eraser = Eraser(house.engine, house.log, house.recorder, invalidator)
    session = house.get("/v1/sessions")["data"][0]["id"]

    eraser.erase(eraser.of_streams([session]), "asked for")

    assert [(run["run"], run["reason"]) for run in told(house)] == [(run, None) for run in range(1, RUNS + 1)]
    with house.engine.connect() as connection:
        ((kept,),) = connection.execute(text("SELECT snapshot FROM erased"))
    base = decode(MACHINES["session"], kept)
    assert [run.run for run in base.over + base.runs] == list(range(1, RUNS + 1))


def test_one_session_shows_its_newest_runs_and_how_many_there_are(house: House):
    use(house)

    ((session,),) = (house.get("/v1/sessions")["data"],)

    assert (session["run_count"], [run["run"] for run in session["runs"]]) == (RUNS, [RUNS])
    assert [run["run"] for run in house.get(f"/v1/sessions/{session['id']}")["runs"]] == list(
        range(RUNS - 19, RUNS + 1)
    )


def test_a_late_run_finds_its_place_among_those_that_have_left(house: House):
    use(house, first=1)
    house.send("captions", stop("ann@example.com", at(0, 30), "reason 0"))
    house.send("captions", start("ann@example.com", at(0, 0)))

    LongStreams(house.engine, house.code).fold_all()

    assert [run["reason"] for run in told(house, limit=100)] == [f"reason {number}" for number in range(RUNS)]


def test_the_newest_anomalies_are_told_and_all_are_counted(house: House):
    use(house, first=RUNS - 1)
    alone = [stop("ann@example.com", at(number, 40)) for number in range(RUNS, RUNS + 130)]
    house.log.append([house.entry("captions", document) for document in alone])

    ((session,),) = (house.get("/v1/sessions", anomaly="unexpected")["data"],)

    assert session["anomaly_counts"] == {"unexpected": 130}
    assert [one["position"] for one in session["anomalies"]] == list(range(33, 133))


def test_a_hole_is_lost_however_many_came_behind_it(house: House):
    visit = [wms("visit", 2 * number, "PAGE_VISIBILITY_CHANGE", 1) for number in range(130)]
    house.log.append([house.entry("clinic", document) for document in visit])

    (incomplete,) = house.get("/v1/audit/completeness")["data"]

    assert incomplete["lost"] == 129
    assert "29 older ones" in [finding["detail"] for finding in incomplete["findings"]]


VISITS = 9


def visit(house: House, number: int, *kinds: str) -> None:
    """A page is loaded in a kiosk, under the one id that it has, and somebody is measured."""
    named = {"measurementId": f"m-{number}"}
    told = [("WMS_LOADED", {}), ("MEASUREMENT_STARTED", {}), *((kind, named) for kind in kinds)]
    documents = [
        wms("kiosk", sequence, kind, 100 * number + sequence, **more) for sequence, (kind, more) in enumerate(told)
    ]
    house.log.append([house.entry("clinic", document) for document in documents])


def visits(house: House) -> None:
    for number in range(VISITS):
        visit(house, number, "MEASUREMENT_CREATED", "API_ERROR")


def results_of(house: House, number: int, at: int) -> None:
    """Of a measurement that failed long ago: the page still names it."""
    house.send("clinic", wms("kiosk", 4, "RESULTS_RECEIVED", at, measurementId=f"m-{number}"))


def measurements(house: House, **asked: Any) -> dict[str, Any]:
    pages = house.walk("/v1/measurements", session_id="kiosk", **asked)
    return {one["measurement_id"]: one for page in pages for one in page}


def test_measurements_leave_the_row_and_are_paged_with_those_that_are_in_it(house: House):
    visits(house)

    found = measurements(house, limit=2)

    assert list(found) == [f"m-{number}" for number in reversed(range(VISITS))]
    assert {(one["outcome"], one["run"], len(one["steps"])) for one in found.values()} == {
        ("failed", number + 1, 3) for number in range(VISITS)
    }
    assert len(snapshot(house, "measurement").measurements) == KEPT
    assert found == measurements(house, known_at_position=4 * VISITS)
    for one in (found["m-0"], found["m-8"]):
        assert house.get(f"/v1/measurements/{one['id']}") == one
        assert house.get(f"/v1/measurements/{one['id']}/why")["outcome"] == "failed"


def test_an_event_finds_its_measurement_among_those_that_have_left(house: House):
    visits(house)

    results_of(house, 1, 100 * VISITS)

    found = measurements(house)
    assert (len(found), found["m-1"]["outcome"], found["m-1"]["steps"].keys() >= {"API_ERROR", "RESULTS_RECEIVED"}) == (
        VISITS,
        "completed",
        True,
    )
    assert stored(house) == folded_whole(house)
    visit(house, VISITS + 1, "MEASUREMENT_CREATED")
    assert stored(house) == folded_whole(house)


def test_a_late_event_finds_its_measurement_among_those_that_have_left(house: House):
    visits(house)

    results_of(house, 1, 104)
    LongStreams(house.engine, house.code).fold_all()

    assert measurements(house)["m-1"]["outcome"] == "completed"
    assert stored(house) == folded_whole(house)


def test_a_measurement_that_a_late_event_undoes_leaves_no_row(house: House):
    visits(house)
    house.send("clinic", wms("kiosk", 3, "RESULTS_RECEIVED", 50, measurementId="m-0"))
    before = measurements(house)
    invalidator = Invalidator(house.log._dialect, house.code)

    Retractor(house.log, house.recorder, invalidator).retract(before["m-3"]["position"], "a lie")

    assert stored(house) == folded_whole(house)


def test_what_is_irregular_names_its_measurement_though_that_has_left(house: House):
    visit(house, 0, "MEASUREMENT_CREATED", "SCAN_COMPLETED")
    for number in range(1, VISITS):
        visit(house, number, "MEASUREMENT_CREATED", "API_ERROR")
    house.send("clinic", wms("kiosk", 6, "RESULTS_RECEIVED", 850, measurementId="m-2"))

    (incomplete,) = house.get("/v1/audit/completeness")["data"]

    named = {(one["what"], one["detail"], one["measurement_id"]) for one in incomplete["findings"]}
    assert ("missing", "sequence 4-5 missing", "m-2") in named
    assert ("never_ended", "1 older measurement never ended", None) in named


def test_an_erasure_reaches_the_measurements_that_have_left(house: House):
    visits(house)
    ours = {one["id"] for one in measurements(house).values()}
    left = {name: source for name, source in house.code.sources.items() if name != "clinic"}

    for code in (house.code, Code(house.ids, left)):
        eraser = Eraser(house.engine, house.log, house.recorder, Invalidator(house.log._dialect, code))
        eraser.erase(eraser.of_streams([house.ids.of("session", "clinic", "kiosk")]), "asked for")

        found = [one for page in house.walk("/v1/measurements") for one in page]
        assert ({one["id"] for one in found}, {one["measurement_id"] for one in found}) == (ours, {None})
        with house.engine.connect() as connection:
            records = connection.execute(text("SELECT record FROM measurements WHERE record IS NOT NULL")).scalars()
            assert not [record for record in records if b"m-" in bytes(record)]


def test_a_measurement_that_is_called_as_an_erased_one_was_is_another_one(house: House):
    visits(house)
    erased = {one["id"] for page in house.walk("/v1/measurements") for one in page}
    eraser = Eraser(house.engine, house.log, house.recorder, Invalidator(house.log._dialect, house.code))
    eraser.erase(eraser.of_streams([house.ids.of("session", "clinic", "kiosk")]), "asked for")

    results_of(house, 5, 100 * VISITS)
    for number in range(VISITS, VISITS + KEPT + 1):
        visit(house, number, "MEASUREMENT_CREATED", "API_ERROR")
    results_of(house, 5, 200 * VISITS)

    found = [one for page in house.walk("/v1/measurements") for one in page]
    assert {one["id"] for one in found if one["measurement_id"] is None} == erased
    assert len([one for one in found if one["measurement_id"] == "m-5"]) == 1
    assert all(house.get(f"/v1/measurements/{one['id']}") == one for one in found)
    assert stored(house) == folded_whole(house)
    (incomplete,) = house.get("/v1/audit/completeness")["data"]
    named = {one["measurement"] for one in incomplete["findings"] if one["measurement"]}
    assert named
    assert named <= {one["id"] for one in found}


def test_the_newest_chunks_of_a_measurement_are_held_and_all_are_counted(house: House):
    begun = ["MEASUREMENT_STARTED", "MEASUREMENT_CREATED", *["INTERMEDIATE_RESULTS"] * 230]
    documents = [wms("visit", number, kind, 0, measurementId="m-1", snr=number) for number, kind in enumerate(begun)]
    house.log.append([house.entry("clinic", document) for document in documents])

    (measurement,) = house.get("/v1/measurements")["data"]

    assert (measurement["snr_count"], len(measurement["snr"])) == (230, 200)
    assert len(snapshot(house, "measurement").measurements[0].snr) == 200
