"""Pages of long streams on both databases: told from a prefix, they say what a fold of all events says."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.event import listen

from adapters.http.presenters import compare, timelines, why
from adapters.sql import LongStreams, Projected, WantedStreams
from adapters.sql.erasure.erase import Eraser
from adapters.sql.erasure.retract import Retractor
from adapters.sql.history import part_reader, parts
from adapters.sql.history.past_rows import PastRows
from adapters.sql.projections import dirty_streams
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.replay.replay import Replay
from core.folding import prefixes
from core.folding.fold import MACHINES
from core.states import records
from core.views import why as core_why
from tests.support.house import NOON, House, start, stop, wms
from tests.support.releases import Release
from tests.support.rows import folded_whole, stored

few = settings(max_examples=4, suppress_health_check=list(HealthCheck), deadline=None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that short streams come up to."""
    monkeypatch.setattr(prefixes, "EVERY", 4)
    monkeypatch.setattr(prefixes, "LONG", 3)
    monkeypatch.setattr(records, "KEPT", 1)
    for module in (why, core_why):
        monkeypatch.setattr(module, "NEWEST", 6)
    monkeypatch.setattr(dirty_streams, "AT_ONCE", 6)


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    yield house
    house.close()


@pytest.fixture
def never_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """No question may be answered from all events."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a page read the whole stream")

    for module in (timelines, why):
        monkeypatch.setattr(module, "whole_timeline", refuse)


def visit(number: int, *kinds: str) -> list[dict[str, Any]]:
    """A page is loaded in a kiosk, somebody is measured, the page goes."""
    named = {"measurementId": f"m-{number}"}
    told = [("WMS_LOADED", {}), ("MEASUREMENT_STARTED", {}), *((kind, named) for kind in kinds), ("PAGE_UNLOADED", {})]
    return [wms("kiosk", at, kind, 60 * number + at, **more) for at, (kind, more) in enumerate(told)]


def come(house: House, *documents: dict[str, Any], source: str = "clinic") -> None:
    house.log.append([house.entry(source, document) for document in documents])


def visits(house: House, count: int = 4) -> None:
    for number in range(count):
        come(house, *visit(number, "MEASUREMENT_CREATED", "SCAN_COMPLETED", "RESULTS_RECEIVED"))


def head(house: House) -> int:
    with house.engine.connect() as connection:
        return int(connection.execute(text("SELECT max(position) FROM events")).scalar_one())


def kept(house: House) -> list[int]:
    with house.engine.connect() as connection:
        return list(connection.execute(text("SELECT position FROM prefixes ORDER BY position")).scalars())


def things(house: House) -> list[str]:
    sessions = [f"/v1/sessions/{one['id']}" for page in house.walk("/v1/sessions") for one in page]
    return sessions + [f"/v1/measurements/{one['id']}" for page in house.walk("/v1/measurements") for one in page]


def pages(house: House, path: str, **asked: Any) -> list[Any]:
    return [one for page in house.walk(f"{path}/timeline", **asked) for one in page]


@contextmanager
def told_as_a_whole() -> Iterator[None]:
    """A block in which no part of a stream is short enough: all of it is folded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part_reader, "MOST", -1)
        yield


def tells_the_same(house: House) -> None:
    """Now, and as of the log's last position."""
    for path, asked in product(things(house), [{}, {"known_at_position": head(house)}]):
        told = pages(house, path, limit=7, **asked), house.get(f"{path}/why", **asked), house.get(path, **asked)
        with told_as_a_whole():
            whole = pages(house, path, limit=100, **asked), house.get(f"{path}/why", **asked), house.get(path, **asked)
        assert told == whole


def past(house: House, path: str, asked: dict[str, Any]) -> list[Any]:
    """What is told of something as it was."""
    if house.client.get(path, query_string=asked).status_code == 404:
        return []
    one = [house.get(path, **asked), pages(house, path, limit=3, **asked), house.get(f"{path}/why", **asked)]
    return (
        one
        if "/measurements/" in path
        else [*one, [run for page in house.walk(f"{path}/runs", **asked) for run in page]]
    )


def tells_the_same_of_the_past(house: House, *clocks: dict[str, Any]) -> None:
    for path, asked in product(things(house), clocks):
        told = past(house, path, asked)
        with told_as_a_whole():
            assert told == past(house, path, asked)


def test_what_comes_in_order_leaves_prefixes_from_which_all_is_told(house: House):
    visits(house)

    assert kept(house) == list(range(4, 25, 4))
    tells_the_same(house)


@pytest.mark.usefixtures("never_whole")
def test_no_page_of_what_came_in_order_reads_the_whole_stream(house: House):
    visits(house)

    for path in things(house)[:2]:
        assert pages(house, path, limit=5)
        assert house.get(f"{path}/why")["chain"]


def test_sessions_that_are_started_again_and_again_are_told_from_prefixes_too(house: House):
    for number in range(6):
        use = [start("ann@example.com", f"0{number}:00:00"), stop("ann@example.com", f"0{number}:30:00")]
        come(house, *use, source="captions")

    tells_the_same(house)


@pytest.mark.usefixtures("never_whole")
def test_why_looks_at_the_newest_events_of_a_long_run_and_at_those_that_led_there(house: House):
    looked = [wms("lobby", at, "PAGE_VISIBILITY_CHANGE", at, visible="HIDDEN") for at in range(3, 23)]
    come(house, wms("lobby", 0), wms("lobby", 1, "CONFIGURATION_LOADED", 1), *looked)
    come(
        house, wms("lobby", 23, "PAGE_UNLOADED", 23), wms("lobby", 24, "PAGE_VISIBILITY_CHANGE", 24, visible="VISIBLE")
    )

    told = house.get(f"{things(house)[0]}/why")

    assert told["sentence"].startswith("abandoned: PAGE_UNLOADED at 22:13:43 while configured, 23 s after the page was")
    assert [one["position"] for one in told["chain"]] == [1, 23]
    assert [one["position"] for one in told["unmoved"]] == [19, 20, 21, 22, 24]
    assert told["left_out"] == 24 - 7


def test_what_led_a_long_run_where_it_is_is_told_however_long_ago_it_was(house: House):
    looked = [wms("lobby", at, "PAGE_VISIBILITY_CHANGE", at, visible="HIDDEN") for at in range(2, 40)]
    come(house, wms("lobby", 0), wms("lobby", 1, "CONFIGURATION_LOADED", 1), *looked)

    assert house.get(f"{things(house)[0]}/why")["sentence"].startswith("configured: CONFIGURATION_LOADED at ")
    tells_the_same(house)


@pytest.fixture
def lobby(house: House, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session whose page was hidden and visible many times, of which four events at a time are told."""
    for module in (why, core_why):
        monkeypatch.setattr(module, "MOST", 4)
    seen = ["HIDDEN"] * 3 + ["VISIBLE"] * 3
    looked = [wms("lobby", at, "PAGE_VISIBILITY_CHANGE", at, visible=seen[at % 6]) for at in range(2, 34)]
    come(house, wms("lobby", 0), wms("lobby", 1, "CONFIGURATION_LOADED", 1), *looked)
    return things(house)[0]


def test_why_pages_back_through_a_long_run(house: House, lobby: str):
    told = pages_of_why(house, lobby)

    assert told == pages_of_why(house, lobby, known_at_position=head(house))
    with told_as_a_whole():
        assert told == pages_of_why(house, lobby, known_at_position=head(house))
    assert len(told) > 5
    assert sorted(at for page in told[1:] for at in page) == list(range(1, max(map(max, told[1:])) + 1))
    assert {at for page in told for at in page} == set(range(1, 35))
    assert house.problem(f"{lobby}/why", 400, before=99)["parameter"] == "before"


@pytest.mark.usefixtures("never_whole")
def test_no_page_of_why_reads_the_whole_stream(house: House, lobby: str):
    assert {at for page in pages_of_why(house, lobby) for at in page} == set(range(1, 35))


def pages_of_why(house: House, path: str, **asked: Any) -> list[list[int]]:
    """The positions that each page tells; each counts rightly what is older."""
    answers = [house.get(f"{path}/why", **asked)]
    while (earlier := answers[-1]["earlier"]) is not None:
        answers.append(house.get(f"{path}/why", before=earlier, **asked))
    assert {one["sentence"] for one in answers} == {answers[0]["sentence"]}
    told = [sorted(step["position"] for step in (*one["chain"], *one["unmoved"])) for one in answers]
    assert [one["left_out"] for one in answers[1:]] == [min(page) - 1 for page in told[1:]]
    return told


def at(second: int) -> str:
    """So many seconds after NOON."""
    return f"2023-11-14T22:{13 + (20 + second) // 60:02}:{(20 + second) % 60:02}Z"


def every_second(house: House, kind: str, count: int = 24) -> str:
    """The path of a thing that tells of itself every second."""
    if kind == "sessions":
        come(house, *[wms("kiosk", number, "PAGE_VISIBILITY_CHANGE", number) for number in range(count)])
    elif kind == "registrations":
        beat = {"type": "server_heartbeat", "sessionId": "s", "userId": "system", "registrationId": "r"}
        come(house, *[beat | {"timestamp": at(number)} for number in range(count)], source="captions")
    else:
        told = {"type": "device.connected", "deviceId": "car-1"}
        for number in range(count):
            house.log.append([house.entry("energy", told | {"timestamp": at(number)}, f"msg_{number}")])
    (one,) = house.get(f"/v1/{kind}")["data"]
    return f"/v1/{kind}/{one['id']}"


@pytest.mark.parametrize("kind", ["sessions", "registrations", "devices"])
def test_the_past_of_what_came_in_order_is_folded_from_the_prefix_before_it(
    house: House, kind: str, monkeypatch: pytest.MonkeyPatch
):
    thing = every_second(house, kind)
    clocks: list[dict[str, Any]] = [
        {"known_at_position": 19},
        {"as_of": at(16)},
        {"known_at_position": 19, "as_of": at(10)},
    ]
    monkeypatch.setattr(PastRows, "_fold", None)

    told = [house.get(thing, **asked) for asked in clocks]
    listed = [house.get(f"/v1/{kind}", **asked)["data"] for asked in clocks]

    assert [one["events"] for one in told] == [19, 17, 11]
    monkeypatch.undo()
    monkeypatch.setattr(part_reader, "MOST", -1)
    assert told == [house.get(thing, **asked) for asked in clocks]
    assert listed == [house.get(f"/v1/{kind}", **asked)["data"] for asked in clocks]


@pytest.mark.usefixtures("never_whole")
@pytest.mark.parametrize("clocks", [{"known_at_position": 19}, {"as_of": at(200)}])
def test_no_page_of_the_past_of_what_came_in_order_reads_the_whole_stream(house: House, clocks: dict[str, Any]):
    visits(house)

    session, *_, scan = things(house)
    for path in (session, scan):
        assert pages(house, path, limit=5, **clocks)
        assert house.get(f"{path}/why", **clocks)["chain"]


def learnt(house: House, path: str, **asked: Any) -> dict[str, Any]:
    """What came since; of lists, which a prefix has the end of, no more than that they differ."""
    told: dict[str, Any] = house.get(f"{path}/compare", **asked)
    for lesson in told["learnt"]:
        lesson["changed"] |= {name: True for name in ("runs", "measurements") if name in lesson["changed"]}
    return told


def test_what_was_learnt_of_a_long_stream_is_told_from_a_prefix(house: House, monkeypatch: pytest.MonkeyPatch):
    for number in (0, 2, 3):
        come(house, *visit(number, "MEASUREMENT_CREATED", "SCAN_COMPLETED", "RESULTS_RECEIVED"))
    come(house, wms("kiosk", 6, "PAGE_VISIBILITY_CHANGE", 127, measurementId="m-2", visible="HIDDEN"))
    LongStreams(house.engine, house.code).fold_all()
    session, *_, scan = things(house)
    asked: list[dict[str, Any]] = [{"known_at_position": 14, "limit": 4}, {"known_at_position": 9, "with_position": 17}]
    asked.append({"known_at_position": 9, "as_of": at(125)})
    with monkeypatch.context() as patch:
        patch.setattr(compare, "_of_whole", None)

        told = [learnt(house, path, **one) for path, one in product((session, scan), asked)]

    assert [(one["came"], one["late"], len(one["learnt"])) for one in told[:3]] == [(5, 1, 4), (8, 0, 8), (3, 0, 3)]
    with told_as_a_whole():
        assert told == [learnt(house, path, **one) for path, one in product((session, scan), asked)]


def test_what_happened_by_a_time_is_folded_from_a_prefix_that_holds_a_late_event(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    thing = every_second(house, "devices")
    late = {"type": "device.disconnected", "deviceId": "car-1", "timestamp": at(2)}
    house.log.append([house.entry("energy", late, "msg_late")])
    LongStreams(house.engine, house.code).fold_all()
    with told_as_a_whole():
        whole = house.get(thing, as_of=at(16))
    monkeypatch.setattr("core.folding.fold.fold", None)

    assert whole["anomaly_counts"] == {"late": 1}
    assert house.get(thing, as_of=at(16)) == whole


def test_a_key_that_came_with_another_body_is_told_of_the_past_of_a_long_stream_since_it_came(house: House):
    thing = every_second(house, "devices")
    again = {"type": "device.connected", "deviceId": "car-1", "timestamp": at(99)}

    house.log.append([house.entry("energy", again, "msg_3")])
    every_second(house, "sessions")

    told = [house.get(thing, known_at_position=position)["anomaly_counts"] for position in (24, 25, 48)]
    with told_as_a_whole():
        assert told == [house.get(thing, known_at_position=position)["anomaly_counts"] for position in (24, 25, 48)]
    assert told[-1] == {"conflict": 1}


def test_what_tells_no_time_is_told_of_the_past_as_by_a_fold_of_all(house: House):
    thing = every_second(house, "registrations")
    beat = {"type": "server_heartbeat", "sessionId": "s", "userId": "system", "registrationId": "r"}

    come(house, *[beat | {"number": number} for number in range(9)], source="captions")

    told = [house.get(thing, as_of=at(second)) for second in (5, 30)]
    with told_as_a_whole():
        assert told == [house.get(thing, as_of=at(second)) for second in (5, 30)]


def test_a_late_event_leaves_prefixes_that_hold_it(house: House):
    visits(house)
    late = wms("kiosk", 3, "PAGE_VISIBILITY_CHANGE", 2, visible="HIDDEN")

    come(house, late)
    LongStreams(house.engine, house.code).fold_all()

    assert kept(house)
    tells_the_same(house)
    come(house, *visit(7, "MEASUREMENT_CREATED", "RESULTS_RECEIVED"))
    tells_the_same(house)


def test_what_is_far_ahead_of_the_others_does_not_stop_a_fold_of_the_whole_stream(house: House):
    dated = [0, 1, 2, 3, 9_999, *range(4, 20)]
    come(house, *[wms("kiosk", at, "PAGE_VISIBILITY_CHANGE", at, visible="HIDDEN") for at in dated])

    LongStreams(house.engine, house.code).fold_all()

    assert kept(house)
    with house.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM unfolded")).scalar_one() == 0
    tells_the_same(house)


def test_an_event_that_names_a_measurement_of_long_ago_is_told_from_all_events(house: House):
    visits(house)
    come(house, wms("kiosk", 6, "PAGE_VISIBILITY_CHANGE", 186, measurementId="m-0", visible="HIDDEN"))
    come(house, *visit(7, "MEASUREMENT_CREATED", "RESULTS_RECEIVED"))

    tells_the_same(house)


def test_a_stream_that_waits_to_be_folded_is_told_from_all_events(house: House):
    visits(house)

    come(house, wms("kiosk", 9, "PAGE_VISIBILITY_CHANGE", 9, visible="HIDDEN"))

    with house.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM unfolded")).scalar_one() == 1
    session = things(house)[0]
    assert len([one for one in pages(house, session, limit=3) if one["entry"] == "event"]) == 25


def test_a_retraction_takes_the_prefixes_with_it(house: House):
    visits(house)

    Retractor(house.log, house.recorder, Invalidator(house.log._dialect, house.code)).retract(9, "a lie")

    (session, *_) = things(house)
    assert [one["entry"] for one in pages(house, session, limit=3)][-1] == "retracted"
    tells_the_same(house)


def test_an_erasure_takes_the_prefixes_with_it(house: House):
    visits(house)
    eraser = Eraser(house.engine, house.log, house.recorder, Invalidator(house.log._dialect, house.code))

    eraser.erase(eraser.of_streams([house.ids.of("session", "clinic", "kiosk")]), "asked for")

    assert kept(house) == []
    session = things(house)[0]
    assert house.get(session)["erased"]
    assert house.get(session, known_at_position=head(house))["erased"] == house.get(session)["erased"]
    visits(house)
    assert kept(house) == []


def row_of(house: House) -> Projected:
    fingerprints = [MACHINES["measurement"].fingerprint]
    return house.api.reads.streams(WantedStreams(kind="session", fingerprints=fingerprints, limit=1))[0]


def test_a_long_part_is_looked_up_a_chunk_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parts, "MANY", 2)
    visits(house)
    asked: list[int] = []
    listen(house.engine, "before_cursor_execute", lambda *told: asked.append(len(told[3])))

    found = house.api.parts.behind(row_of(house), 0, 20)

    assert found is not None
    assert len(found.arrivals) == 20 + 4
    assert max(asked) < 20
    tells_the_same(house)


def test_a_part_that_is_too_long_is_told_as_a_whole(house: House, monkeypatch: pytest.MonkeyPatch):
    visits(house)
    monkeypatch.setattr(part_reader, "MOST", 8)

    row = row_of(house)

    assert house.api.parts.behind(row, 0, 7) is not None
    assert house.api.parts.behind(row, 0, 8) is None
    tells_the_same(house)


def test_a_part_of_a_stream_that_moved_on_since_its_row_was_read_is_told_as_a_whole(house: House):
    visits(house)
    row = row_of(house)

    come(house, *visit(7, "MEASUREMENT_CREATED"))

    assert house.api.parts.behind(row, 0, 7) is None
    assert house.api.parts.newest(row, 1, 7) is None


def test_a_part_with_an_event_whose_body_is_gone_is_told_as_a_whole(house: House):
    visits(house)
    gone = "headers = NULL, body = NULL, salt = NULL, commitment = salt, erased = position"
    with house.engine.begin() as connection:
        connection.execute(text(f"UPDATE payloads SET {gone} WHERE position = 7"))

    assert house.api.parts.between(row_of(house), 6, 7) is None
    assert house.api.parts.between(row_of(house), 14, 15) is not None


def test_a_version_that_is_built_has_prefixes_of_what_was_there(database_url: str):
    house, release = House(database_url), Release(database_url)
    visits(house)
    before = kept(house)

    release.rebuild("measurement")

    assert len(kept(house)) > len(before)
    house.close()
    release.close()


def test_a_version_whose_name_was_used_before_has_none_of_the_old_prefixes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    house, release = House(database_url), Release(database_url)
    visits(house)
    first = release.own("measurement")
    release.rebuild("measurement")
    come(house, *visit(7, "MEASUREMENT_CREATED"))
    marked, marks, delete = f"SELECT * FROM unfolded WHERE version = '{first}'", list[int](), Replay._delete_some

    def delete_some(*told: Any) -> bool:
        marks.append(len(release.rows(marked)))
        return delete(*told)

    monkeypatch.setattr(Replay, "_delete_some", delete_some)
    assert release.rows(marked)

    Replay(house.engine, house.code, lambda: NOON, record=house.recorder.record).drop()

    assert set(marks) == {0}
    before = set(kept(house))
    with house.engine.begin() as connection:
        there = "source, stream, position + 1, last, others, run, snapshot"
        names = "source, stream, position, last, others, run, snapshot, fingerprint"
        connection.execute(text(f"INSERT INTO prefixes ({names}) SELECT {there}, '{first}' FROM prefixes LIMIT 1"))
    stale = set(kept(house)) - before
    release.rebuild("measurement")

    assert release.own("measurement") == first
    assert stale
    assert not stale & set(kept(house))
    house.close()
    release.close()


@few
@given(data=st.data())
def test_whatever_the_order_of_arrival_all_is_told_as_by_a_fold_of_all_events(house: House, data: st.DataObject):
    number = data.draw(st.integers(0, 10**9))
    kinds = st.lists(st.sampled_from(["MEASUREMENT_CREATED", "API_ERROR", "PAGE_UNLOADED", "LOW_SNR"]), max_size=4)
    documents = [one for at in range(data.draw(st.integers(3, 6))) for one in visit(at, *data.draw(kinds))]
    named = [one | {"sessionId": f"kiosk-{number}"} for one in documents]
    late = data.draw(st.lists(st.integers(0, len(named) - 1), max_size=3, unique=True))
    order = [one for at, one in enumerate(named) if at not in late] + [named[at] for at in late]
    beside = LongStreams(house.engine, house.code)
    for document in order:
        come(house, document)
        if data.draw(st.booleans()):
            beside.fold_all()
    beside.fold_all()

    path = f"/v1/sessions/{house.ids.of('session', 'clinic', f'kiosk-{number}')}"
    now: list[dict[str, Any]] = [{}, {"known_at_position": head(house)}]
    known = [{"known_at_position": data.draw(st.integers(1, head(house)))} for _ in range(2)]
    seconds = [data.draw(st.integers(0, 60 * len(named) // 5)) for _ in range(2)]
    happened = [{"as_of": at(second)} for second in seconds]
    clocks = [*now, *known, *happened, {**known[0], **happened[0]}]
    told = [past(house, path, asked) for asked in clocks], [learnt(house, path, limit=4, **asked) for asked in known]
    with told_as_a_whole():
        whole = [past(house, path, asked) for asked in clocks], [learnt(house, path, limit=4, **one) for one in known]
    assert told == whole
    assert stored(house) == folded_whole(house)
