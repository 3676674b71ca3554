"""What was, by either clock: what had happened by then, and what had been recorded by then."""

from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.sql.history import candidates
from adapters.sql.history.past_rows import PastRows
from adapters.sql.queries import as_of
from core.folding.fold import MACHINES, encode, fold
from tests.support.house import NOON, SECOND, SETTINGS, House, pushed, start, stop, wms

ON_ONE_DATABASE = settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = count()


def at(second: int) -> str:
    """ISO 8601 of a second after NOON, 22:13:20."""
    return f"2023-11-14T22:{13 + (20 + second) // 60:02}:{(20 + second) % 60:02}Z"


TYPES = ["WMS_LOADED", "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "RESULTS_RECEIVED", "PAGE_UNLOADED"]
SCANS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(
            ["WMS_LOADED", "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "RESULTS_RECEIVED", "PAGE_UNLOADED"]
        ),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=8,
)
TALES = st.lists(
    st.tuples(
        st.sampled_from(["push.completed", "push.failed", "acknowledged", "cancelled"]),
        st.sampled_from(["completedAt", None]),
        st.integers(0, 20),
        st.sampled_from(["m-1", "m-2", "m-3", "m-4"]),
    ),
    min_size=1,
    max_size=6,
)


def tell_scan(house: House, session: str, number: int, event: str, second: int) -> None:
    named = {} if event in {"WMS_LOADED", "MEASUREMENT_STARTED", "PAGE_UNLOADED"} else {"measurementId": f"m-{session}"}
    house.send("clinic", wms(session, number, event, second, **named))


def tell_action(house: House, action: str, kind: str, clock: str | None, second: int, key: str) -> None:
    if not kind.startswith("push"):
        moment = NOON + second * SECOND
        house.tell(source="energy", key=f"{action} {key}", action_id=action, state=kind, occurred_at=moment)
        return
    document = {**pushed(action, f"device-{action}"), "type": kind}
    document.pop("completedAt")
    if clock:
        document |= {clock: at(second)} if kind == "push.completed" else {"failedAt": at(second)}
    house.send("energy", document, key=f"{action} {key}")


@ON_ONE_DATABASE
@given(told=SCANS)
def test_what_was_known_at_every_position_is_what_was_told_then(house: House, told):
    session = f"scan-{next(NUMBERS)}"
    name = house.ids.of("session", "clinic", session)
    paths = [f"/v1/sessions/{name}", f"/v1/sessions/{name}/timeline", f"/v1/sessions/{name}/runs"]

    at_position, at_time = {}, {}
    for one in told:
        tell_scan(house, session, *one)
        answers = [timeless(house.get(path)) for path in paths]
        at_position[house.api.reads.head()] = at_time[newest(house)] = answers

    for position, answers in at_position.items():
        assert [timeless(house.get(path, known_at_position=position)) for path in paths] == answers
    for moment, answers in at_time.items():
        assert [timeless(house.get(path, known_at=moment)) for path in paths] == answers


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "derived"}


def newest(house: House) -> str:
    """When the last delivery was recorded."""
    recorded_at: str = house.get("/v1/deliveries", limit=1)["data"][0]["recorded_at"]
    return recorded_at


@ON_ONE_DATABASE
@given(told=TALES)
def test_conflicts_and_repeated_keys_are_known_from_then_on_too(house: House, told):
    action = f"action-{next(NUMBERS)}"
    name = house.ids.of("action", "energy", action)
    paths = [f"/v1/actions/{name}", f"/v1/actions/{name}/timeline"]

    heard = {}
    for one in told:
        tell_action(house, action, *one)
        heard[house.api.reads.head()] = [house.get(path) for path in paths]

    for position, answers in heard.items():
        assert [house.get(path, known_at_position=position) for path in paths] == answers


@ON_ONE_DATABASE
@given(told=SCANS, second=st.integers(-1, 21), known=st.integers(0, 8))
def test_as_of_a_time_it_is_the_fold_of_what_had_happened_and_with_both_of_what_was_known_of_that(
    house: House, told, second, known
):
    session = f"scan-{next(NUMBERS)}"
    before = house.api.reads.head()
    for one in told:
        tell_scan(house, session, *one)

    check_both(house, "clinic", "session", session, NOON + second * SECOND, before + known)


@ON_ONE_DATABASE
@given(told=TALES, second=st.integers(-1, 21), known=st.integers(0, 8))
def test_what_has_no_time_of_its_own_happened_when_it_reached_us(house: House, told, second, known):
    action = f"action-{next(NUMBERS)}"
    before = house.api.reads.head()
    for one in told:
        tell_action(house, action, *one)

    check_both(house, "energy", "action", action, NOON + second * SECOND, before + known)


def check_both(house: House, source: str, kind: str, name: str, as_of: int, known: int) -> None:
    ours, past = house.ids.of(kind, source, name), house.api.as_of
    machine = MACHINES[house.api.sources[source].machine_of(kind)]
    found = past.history(ours, past.clocks())
    stored = [one.event for one in found.arrivals] if found else []
    happened = [one for one in stored if (one.received_at if one.occurred_at is None else one.occurred_at) <= as_of]
    for clocks in (past.clocks(as_of=as_of), past.clocks(as_of=as_of, position=known)):
        events = [one for one in happened if one.position <= clocks.position]

        row = past.stream(ours, clocks)

        assert (row and row.snapshot) == (encode(fold(machine, events, SETTINGS)) if events else None)


def test_a_late_stop_was_not_known_then_though_it_had_happened(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    house.send("captions", start("ann@example.com", "22:30:00"))
    house.send("captions", stop("ann@example.com", "22:10:00", "error"))
    name = house.ids.of("session", "captions", "ann@example.com-com.example.captions")

    def ended(**clocks: Any) -> list[Any]:
        return [run["ended_by"] for run in house.get(f"/v1/sessions/{name}", **clocks)["runs"]]

    assert ended() == ["stop_request", None]
    assert ended(known_at_position=2) == ["superseded", None]
    assert ended(as_of="2023-11-14T22:20:00Z") == ["stop_request"]
    assert ended(as_of="2023-11-14T22:20:00Z", known_at_position=2) == [None]
    house.problem(f"/v1/sessions/{name}", status=404, as_of="2023-11-14T21:59:59Z")
    house.problem(f"/v1/sessions/{name}", status=404, known_at_position=0)
    house.problem(f"/v1/sessions/{name}", status=404, known_at="1970-01-01T00:00:00Z")


def test_what_depends_on_the_time_is_worked_out_for_the_time_that_is_asked_for(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    name = house.ids.of("session", "captions", "ann@example.com-com.example.captions")

    then = house.get(f"/v1/sessions/{name}", as_of="2023-11-14T22:01:00Z")
    told = house.get(f"/v1/sessions/{name}", as_of="2023-11-14T22:01:00Z", now="2023-11-14T22:00:30Z")

    assert (then["derived"]["open_for_s"], told["derived"]["open_for_s"]) == (60.0, 30.0)


@pytest.fixture
def busy(house: House) -> House:
    """Sessions, actions, devices and registrations, with what came after position 6."""
    house.send("captions", start("ann@example.com", "21:00:00"))
    house.send("captions", start("bob@example.com", "22:00:00"))
    house.send("older", start("ann@example.com", "22:30:00", package="com.example.other"))
    house.send("clinic", wms("scan", 3, "MEASUREMENT_STARTED"))
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", {**pushed("a-2"), "result": None, "errorCode": "x"}, key="m-2")
    house.send("captions", stop("bob@example.com", "22:10:00"))
    house.send("clinic", wms("scan", 4, "MEASUREMENT_CREATED", measurementId="m1"))
    house.send("energy", {"type": "device.connected", "deviceId": "car-1", "timestamp": at(0)}, key="m-3")
    return house


FILTERS: dict[str, list[dict[str, Any]]] = {
    "/v1/sessions": [
        {},
        *({"source": "captions"}, {"provider": "augmentos"}, {"state": "active"}, {"user_id": "ann@example.com"}),
        *({"session_id": "scan"}, {"anomaly": "gap"}, {"since": "2023-11-14T22:00:00Z"}),
        *({"until": "2023-11-14T22:00:00Z"}, {"changed_after": 2}),
    ],
    "/v1/actions": [{}, {"action_id": "a-1"}, {"device_id": "car-1"}, {"state": "failed"}],
    "/v1/devices": [{}, {"device_id": "car-1"}, {"state": "unknown"}, {"state": "connected"}],
    "/v1/registrations": [{}],
    "/v1/measurements": [
        {},
        {"state": "started"},
        {"state": "created"},
        {"session_id": "scan"},
        {"measurement_id": "m1"},
    ],
}


@pytest.mark.parametrize("path", FILTERS)
def test_a_list_as_it_was_known_is_the_list_as_it_was(house: House, path):
    def lists() -> list[Any]:
        return [house.get(path, **filters)["data"] for filters in FILTERS[path]]

    sent = [
        lambda: house.send("captions", start("ann@example.com", "21:00:00")),
        lambda: house.send("clinic", wms("scan", 3, "MEASUREMENT_STARTED")),
        lambda: house.send("energy", pushed("a-1"), key="m-1"),
        lambda: house.send("older", start("ann@example.com", "22:30:00", package="com.example.other")),
        lambda: house.send("clinic", wms("scan", 4, "MEASUREMENT_CREATED", measurementId="m1")),
        lambda: house.send("energy", {"type": "device.connected", "deviceId": "car-1", "timestamp": at(0)}, key="m-3"),
        lambda: house.send("energy", {**pushed("a-2"), "errorCode": "x"}, key="m-2"),
    ]
    heard = []
    for send in sent:
        send()
        heard.append(lists())

    for position, lists_then in enumerate(heard, 1):
        then = [house.get(path, known_at_position=position, **filters)["data"] for filters in FILTERS[path]]
        assert then == lists_then


def test_lists_as_of_a_time_hold_what_had_begun(busy: House):
    def sessions(**clocks: Any) -> list[tuple[str, str]]:
        return [(one["source"], one["state"]) for one in busy.get("/v1/sessions", **clocks)["data"]]

    early, later = "2023-11-14T21:30:00Z", "2023-11-14T22:05:00Z"
    assert sessions(as_of=early) == [("captions", "active")]
    assert sessions(as_of=later) == [("captions", "active")] * 2
    assert sessions(as_of=later, known_at_position=1) == [("captions", "active")]
    assert [one["state"] for one in busy.get("/v1/devices", as_of=later)["data"]] == ["unknown"]
    assert busy.get("/v1/devices", as_of=early)["data"] == []


def test_the_pages_of_the_past_hold_every_stream_once_whatever_comes_in_between(house: House):
    for number in range(7):
        house.send("clinic", wms(f"scan-{number}", 0, "MEASUREMENT_STARTED"))
        house.send("clinic", wms(f"scan-{number}", 1, "LOW_SNR"))
        house.send("clinic", wms(f"scan-{number}", 2, "MEASUREMENT_STARTED"))
    position = house.api.reads.head()
    house.send("clinic", wms("scan-0", 3, "GENERAL_ERROR"))

    for path, whole in [("/v1/sessions", 7), ("/v1/measurements", 14)]:
        pages = list(house.walk(path, limit=3, known_at_position=position))
        ids = [one["id"] for page in pages for one in page]
        assert len(ids) == len(set(ids)) == whole
        assert all(len(page) == 3 for page in pages[: whole // 3])


def test_a_page_examines_so_many_streams_and_no_more(house: House, monkeypatch):
    monkeypatch.setattr(candidates, "EXAMINED", 4)
    monkeypatch.setattr(candidates, "_CHUNK", 2)
    for number in range(9):
        house.send("clinic", wms(f"scan-{number}", 0))
    house.send("captions", start("ann@example.com"))

    pages = list(house.walk("/v1/sessions", state="loaded", source="clinic", known_at_position=1))
    found = list(house.walk("/v1/sessions", state="active", known_at_position=10))
    scans = list(house.walk("/v1/measurements", known_at_position=10))

    assert [len(page) for page in pages] == [1]
    assert [len(page) for page in found] == [1, 0, 0]
    assert [len(page) for page in scans] == [0, 0, 0]


def test_a_measurement_keeps_its_id_also_for_the_time_before_it_had_one(house: House):
    house.send("clinic", wms("scan", 0, "MEASUREMENT_STARTED"))
    house.send("clinic", wms("scan", 1, "MEASUREMENT_CREATED", measurementId="m1"))
    name = house.ids.of("measurement", "clinic", "scan", "m1")

    then = house.get(f"/v1/measurements/{name}", known_at_position=1)
    steps = house.get(f"/v1/measurements/{name}/timeline", known_at_position=1)["data"]

    assert (then["id"], then["measurement_id"], then["state"]) == (name, None, "started")
    assert [step["position"] for step in steps] == [1]
    assert house.get(f"/v1/measurements/{name}")["state"] == "created"
    house.problem(f"/v1/measurements/{name}", status=404, known_at_position=0)


def test_a_cursor_of_the_past_goes_on_in_the_past(house: House):
    for number in range(3):
        house.send("clinic", wms(f"scan-{number}", 0))

    first = house.get("/v1/sessions", limit=1, known_at_position=2)
    house.send("clinic", wms("scan-9", 0))
    second = house.get("/v1/sessions", cursor=first["next_cursor"])

    assert [one["session_id"] for one in first["data"] + second["data"]] == ["scan-1", "scan-0"]
    problem = house.problem("/v1/sessions", cursor=first["next_cursor"], known_at_position=3)
    assert problem["parameter"] == "known_at_position"


def test_what_the_past_was_is_folded_once_and_kept(house: House, monkeypatch):
    house.send("clinic", wms("scan", 0))
    house.send("clinic", wms("scan", 1, "CONFIGURATION_LOADED"))
    name = house.ids.of("session", "clinic", "scan")
    told = house.get(f"/v1/sessions/{name}", known_at_position=1)

    monkeypatch.setattr(PastRows, "_fold", None)

    assert house.get(f"/v1/sessions/{name}", known_at_position=1) == told


def test_the_position_that_was_known_is_found_in_a_log_with_holes_in_its_times(house: House):
    ticks = [NOON + 1_000 * step for step in (0, 0, 5, 5, 9)]
    for number, tick in enumerate(ticks):
        house.log._clock = partial(int, tick)
        house.send("clinic", wms("scan", number))

    def known(offset: int) -> int:
        return house.api.reads.position_at(NOON + 1_000 * offset)

    assert [known(offset) for offset in (-1, 0, 4, 5, 8, 9, 10)] == [0, 2, 2, 4, 4, 5, 5]


@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/actions", "/v1/devices", "/v1/registrations", "/v1/measurements"]
)
@pytest.mark.parametrize("clock", ["as_of", "known_at", "known_at_position"])
def test_a_clock_that_is_no_time_is_refused_by_name(one_house: House, path, clock):
    assert one_house.problem(f"{path}?{clock}=yesterday")["parameter"] == clock


def test_a_source_that_is_no_longer_configured_has_no_past_that_could_be_folded(database_url):
    before = House(database_url)
    before.send("captions", start("ann@example.com"))
    after = House(database_url, configured=("clinic",))
    (session,) = after.get("/v1/sessions")["data"]

    after.problem(f"/v1/sessions/{session['id']}", status=404, known_at_position=1)

    assert after.get("/v1/sessions", known_at_position=1)["data"] == []
    before.close()
    after.close()


def test_histories_and_streams_of_the_past_are_found_by_their_indexes(sqlite_url):
    house = House(sqlite_url)
    clocks = house.api.as_of.clocks(as_of=NOON)
    named = as_of.StreamRow("a", "s", "session", "x", 1)

    def plan(statement: Any) -> list[str]:
        sql = str(statement.compile(house.engine, compile_kwargs={"literal_binds": True}))
        with house.engine.connect() as connection:
            return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]

    listed = plan(as_of.list_named(clocks, 50, kind="session", sources=["a", "b"], before=9))
    assert "ix_streams_kind_opened" in listed[0]
    assert not any("SCAN" in step or "TEMP B-TREE" in step for step in listed)
    assert {as_of.HISTORY.index, as_of.PLACES.index} == {"ix_events_source_opened_position"}
    searches = [
        step for step in plan(as_of.repeats(named.source, [1, 2], clocks)) if "deliveries" in step or "dupl" in step
    ]
    assert "ix_deliveries_source_position" in searches[0]
    assert all(step.startswith("SEARCH") for step in searches), searches
    assert len(searches) == 2
    house.close()
