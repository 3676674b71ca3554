"""Batches that are handed in before the ones in front of them are answered end as if each had waited for its turn."""

import os
import select
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from adapters.sql import Entry, Receipt, Rejection, Unavailable
from adapters.sql.dialects.pipeline import Pipeline
from core.event import Reading
from tests.support.logs import Bench, rejection, wms

FOLDED = "SELECT stream, state, position FROM projections ORDER BY opened"
STREAMLESS = """SELECT p.stream FROM projections p LEFT JOIN streams s
    ON s.source = p.source AND s.stream = p.stream AND s.opened = p.opened WHERE s.stream IS NULL"""
HAPPY = (
    *("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"),
    *("MEASUREMENT_CREATED", "INTERMEDIATE_RESULTS", "SCAN_COMPLETED", "RESULTS_RECEIVED", "PAGE_UNLOADED"),
)


class Flight:
    """A writer with what it has handed in and not asked for."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._sent: list[Any] = []
        self.receipts: list[Any] = []

    def begin(self, *batch: Entry | Rejection) -> None:
        self._sent.append(self.bench.log.begin(batch))

    def finish(self) -> None:
        if self._sent:
            self.receipts += self.bench.log.finish(self._sent.pop(0))

    def land(self) -> list[Receipt]:
        """Every receipt, in the order in which the entries were handed in."""
        while self._sent:
            self.finish()
        return self.receipts


@pytest.fixture
def flight(database_url: str) -> Iterator[Flight]:
    """A writer that is alone: it has committed before."""
    bench = Bench(database_url)
    bench.append(bench.entry("clinic", wms("first", 0)))
    bench.append(bench.entry("clinic", wms("first", 1, "CONFIGURATION_LOADED")))
    yield Flight(bench)
    bench.close()


@pytest.fixture
def other(database_url: str) -> Iterator[Bench]:
    """Another process on the same database."""
    bench = Bench(database_url)
    yield bench
    bench.close()


def scan(bench: Bench, session: str, number: int) -> Entry:
    payload: dict[str, Any] = {"measurementId": "m1"} if number >= HAPPY.index("MEASUREMENT_CREATED") else {}
    return bench.entry("clinic", wms(session, number, HAPPY[number], **payload))


def action(bench: Bench, name: str, device: str) -> Entry:
    told = {"actionId": name, "deviceId": device, "actionType": "charge", "parameters": {}, "result": {"success": True}}
    return bench.entry("energy", {**told, "completedAt": "2023-07-18T12:39:00Z"}, [("svix-id", f"m-{name}")])


def test_batches_under_way_get_the_positions_of_their_order(flight: Flight):
    for number in range(len(HAPPY)):
        flight.begin(scan(flight.bench, "a", number), scan(flight.bench, "b", number))

    receipts = flight.land()

    assert receipts == [Receipt("new", position) for position in range(3, 3 + 2 * len(HAPPY))]
    assert [row[1] for row in flight.bench.rows(FOLDED)] == ["configured", "closed", "closed"]
    assert flight.bench.rows("SELECT measurement_id, state FROM measurements") == [("m1", "closed")] * 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_on_a_server_they_are_under_way_at_the_same_time(flight: Flight):
    flight.begin(scan(flight.bench, "a", 0))
    flight.begin(scan(flight.bench, "a", 1))

    assert [sent.decided for sent in flight._sent] == [False, False]
    assert flight.bench.log.socket is not None
    flight.land()
    assert flight.bench.log.socket is None


def test_rejections_do_not_hold_batches_back_and_are_numbered_behind_those_on_record(flight: Flight):
    bench = flight.bench
    bench.log.append([rejection("clinic")])

    flight.begin(scan(bench, "a", 0), rejection("clinic"), scan(bench, "a", 1))
    flight.begin(rejection("energy"))
    waited = [sent.decided for sent in flight._sent]
    receipts = flight.land()

    on_a_server = bench.engine.dialect.name == "postgresql"
    assert waited == ([False, False] if on_a_server else [True, True])
    assert [(one.verdict, one.position) for one in receipts] == [
        ("new", 3),
        ("rejected", 0),
        ("new", 4),
        ("rejected", 0),
    ]
    told = bench.rows("SELECT delivery, source, verdict, head FROM deliveries ORDER BY delivery")
    assert told == [(1, "clinic", "rejected", 2), (2, "clinic", "rejected", 4), (3, "energy", "rejected", 4)]


def test_rejections_that_another_writer_recorded_in_between_take_their_own_numbers(flight: Flight, other: Bench):
    bench = flight.bench
    flight.begin(scan(bench, "a", 0), rejection("clinic"))
    other.log.append([rejection("clinic")])
    flight.begin(scan(bench, "a", 1), rejection("clinic"))

    receipts = flight.land()

    assert [one.verdict for one in receipts] == ["new", "rejected"] * 2
    assert bench.rows("SELECT delivery FROM deliveries ORDER BY delivery") == [(1,), (2,), (3,)]


def test_rejections_on_record_stay_bounded_however_they_travel(flight: Flight, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.log.PRUNED_AFTER", 5)
    bench = flight.bench

    for number in range(1_020):
        flight.begin(rejection("clinic"))
        if number % 2:
            flight.finish()
    flight.land()

    ((kept, newest),) = bench.rows("SELECT count(*), max(delivery) FROM deliveries")
    assert 1_000 <= kept <= 1_005
    assert newest == 1_020


def test_streams_that_are_not_remembered_do_not_hold_batches_back(flight: Flight, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.stream_cache._REMEMBERED", 2)
    for session in "abcdef":
        flight.begin(scan(flight.bench, session, 0))
    flight.land()

    flight.begin(scan(flight.bench, "a", 1))
    flight.begin(scan(flight.bench, "b", 1), scan(flight.bench, "c", 1), scan(flight.bench, "new", 0))
    waited = [sent.decided for sent in flight._sent]
    flight.land()

    on_a_server = flight.bench.engine.dialect.name == "postgresql"
    assert waited == ([False, False] if on_a_server else [True, True])
    assert [row[1] for row in flight.bench.rows(FOLDED)] == ["configured"] * 4 + ["loaded"] * 4


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_outcome_that_came_along_with_another_need_not_be_waited_for(flight: Flight):
    flight.begin(scan(flight.bench, "a", 0))
    flight.begin(scan(flight.bench, "a", 1))
    flight.finish()
    socket, pipeline = flight.bench.log.socket, flight.bench.log._ahead
    assert socket is not None
    assert isinstance(pipeline, Pipeline)
    while pipeline._connection.is_busy():  # it did not come along this time: the driver reads it for itself
        assert select.select([socket], [], [], 20)[0]
        pipeline._connection.consume_input()

    assert select.select([socket], [], [], 0)[0] == []
    assert flight.bench.log.answered


def test_an_event_of_another_writer_in_between_makes_them_begin_anew(flight: Flight, other: Bench):
    flight.begin(scan(flight.bench, "a", 0))
    foreign = other.append(scan(other, "a", 2))
    flight.begin(scan(flight.bench, "a", 1))
    flight.begin(scan(flight.bench, "a", 3))

    receipts = flight.land()

    assert [receipt.verdict for receipt in receipts] == ["new"] * 3
    assert sorted([foreign.position, *(receipt.position for receipt in receipts)]) == [3, 4, 5, 6]
    assert flight.bench.rows(FOLDED)[1][1:] == ("camera_on", 6)


def test_a_device_that_refused_batches_were_the_first_to_mention_is_still_named(flight: Flight, other: Bench):
    bench = flight.bench
    flight.begin(action(bench, "a1", "d1"))
    other.append(scan(other, "a", 0))
    flight.begin(action(bench, "a2", "d2"), action(bench, "a3", "d2"))

    flight.land()
    flight.begin(action(bench, "a4", "d2"))
    flight.land()

    assert bench.rows("SELECT provider_id FROM streams WHERE kind = 'device' ORDER BY opened") == [("d1",), ("d2",)]
    assert bench.rows(STREAMLESS) == []


@pytest.mark.parametrize("foreign", [1, 3])
def test_what_another_writer_appended_is_folded_before_what_comes_here(
    flight: Flight, other: Bench, foreign: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.sql.log.stream_cache._MOST_FOREIGN", 2)
    flight.begin(*(scan(flight.bench, name, 0) for name in "abc"))
    flight.land()
    for name in "abc"[:foreign]:
        other.append(scan(other, name, 1))

    flight.begin(*(scan(flight.bench, name, 2) for name in "abc"[:foreign]))
    flight.land()

    states = [row[1] for row in flight.bench.rows(FOLDED)][1:]
    assert states == ["camera_granted"] * foreign + ["loaded"] * (3 - foreign)


def test_streams_that_a_writer_has_forgotten_are_folded_on(flight: Flight, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.stream_cache._REMEMBERED", 2)
    for number in range(len(HAPPY)):
        for name in "abcd":
            flight.begin(scan(flight.bench, name, number))
            assert len(flight.bench.log._projector.cache._streams) <= 3

    flight.land()

    assert [row[1] for row in flight.bench.rows(FOLDED)][1:] == ["closed"] * 4


def test_a_measurement_that_gets_its_id_in_the_batch_in_which_the_next_one_gets_its_own(flight: Flight):
    created = HAPPY.index("MEASUREMENT_CREATED")
    for number in range(created):
        flight.begin(scan(flight.bench, "a", number))
    flight.begin(
        scan(flight.bench, "a", created),
        flight.bench.entry("clinic", wms("a", created + 1, "MEASUREMENT_CANCELED")),
        flight.bench.entry("clinic", wms("a", created + 2, "MEASUREMENT_STARTED")),
        flight.bench.entry("clinic", wms("a", created + 3, "MEASUREMENT_CREATED", measurementId="m2")),
    )

    flight.land()

    rows = flight.bench.rows("SELECT measurement_id, state FROM measurements ORDER BY opened")
    assert rows == [("m1", "canceled"), ("m2", "created")]


def test_what_is_sent_twice_is_one_event_wherever_the_first_one_is(flight: Flight):
    entry = scan(flight.bench, "a", 0)
    flight.begin(entry)
    flight.begin(entry, scan(flight.bench, "a", 1))
    flight.begin(entry, entry)
    flight.finish()
    flight.begin(scan(flight.bench, "a", 2), entry)

    receipts = flight.land()

    assert [(receipt.verdict, receipt.position) for receipt in receipts if receipt.position == 3] == [
        ("new", 3),
        *[("duplicate", 3)] * 4,
    ]
    assert flight.bench.rows("SELECT count(*) FROM events") == [(5,)]
    assert flight.bench.rows("SELECT count(*) FROM deliveries") == [(4,)]


def test_an_event_that_comes_late_finds_its_place(flight: Flight):
    for number in (0, 1, 3, 2):
        flight.begin(scan(flight.bench, "a", number))

    flight.land()

    assert flight.bench.rows(FOLDED)[1][1:] == ("camera_on", 6)


def test_a_row_that_the_database_refuses_fails_no_other(flight: Flight):
    refused = scan(flight.bench, "a", 1)
    assert isinstance(refused.reading, Reading)
    refused.reading = msgspec.structs.replace(refused.reading, sequence=2**70)
    flight.begin(scan(flight.bench, "a", 0))
    flight.begin(refused, scan(flight.bench, "b", 0))
    flight.begin(scan(flight.bench, "a", 2))

    receipts = flight.land()

    assert [receipt.verdict for receipt in receipts] == ["new"] * 4
    assert flight.bench.rows("SELECT position, reading FROM events WHERE reading <> 'ok'") == [(4, "undecodable")]
    assert [row[1] for row in flight.bench.rows(FOLDED)] == ["configured", "camera_granted", "loaded"]


def test_what_cannot_be_made_ahead_is_decided_in_its_turn(flight: Flight):
    nameless = msgspec.structs.replace(scan(flight.bench, "a", 1), headers=[("caf\u00e9 ", "x")])
    named = flight.bench.entry("clinic", wms("lone \ud800", 0))
    flight.begin(scan(flight.bench, "a", 0))
    for odd in (nameless, named):
        flight.begin(odd)
        try:
            flight.finish()
        except Unavailable:
            flight.finish()
    flight.begin(scan(flight.bench, "a", 2))

    receipts = flight.land()

    assert receipts[0] == Receipt("new", 3)
    assert receipts[-1].verdict == "new"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_that_says_nothing_is_not_waited_for(flight: Flight, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.dialects.pipeline.PATIENCE", 0.5)
    silent = flight.bench.log._connection.driver_connection.info.backend_pid
    os.kill(silent, signal.SIGSTOP)
    try:
        flight.begin(scan(flight.bench, "a", 0))
        flight.land()
    finally:
        os.kill(silent, signal.SIGCONT)
    flight.begin(scan(flight.bench, "a", 1))

    assert flight.land() == [Receipt("new", 3), Receipt("new", 4)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_breaks_loses_and_doubles_nothing(flight: Flight, database_url: str):
    for number in range(2):
        flight.begin(scan(flight.bench, "a", number))
    with psycopg.connect(make_url(database_url).render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    for number in range(2, 4):
        flight.begin(scan(flight.bench, "a", number))

    receipts = flight.land()

    assert {receipt.verdict for receipt in receipts} <= {"new", "duplicate"}
    assert sorted(receipt.position for receipt in receipts) == [3, 4, 5, 6]
    assert flight.bench.rows(FOLDED)[1][1:] == ("camera_on", 6)


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.lists(st.integers(0, len(HAPPY) - 1), max_size=3), st.booleans()), max_size=12
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_two_writers_with_batches_under_way_come_to_what_one_would(
    flight: Flight, other: Bench, steps: list[tuple[int, list[int], bool]]
):
    flights, session = [flight, Flight(other)], f"s{flight.bench.rows('SELECT count(*) FROM events')[0][0]}"
    for turn, numbers, finish in steps:
        writer = flights[turn]
        writer.begin(*(scan(writer.bench, session, number) for number in numbers))
        if finish:
            writer.finish()

    receipts = [receipt for one in flights for receipt in one.land()]

    sent = [number for _, numbers, _ in steps for number in numbers]
    assert len(receipts) == len(sent)
    stream = flight.bench.log._ids.of("session", "clinic", session)
    stored = flight.bench.rows(f"SELECT sequence FROM events WHERE stream = '{stream}' ORDER BY sequence")
    assert [row[0] for row in stored] == sorted(set(sent))
    if sent:
        alone = one_after_the_other(flight.bench, f"{session}-alone", sorted(set(sent)))
        found = flight.bench.rows(f"SELECT state FROM projections WHERE stream = '{stream}'")
        assert found == [(alone,)]
    for one in flights:
        one.receipts.clear()


def one_after_the_other(bench: Bench, session: str, numbers: list[int]) -> str:
    """The state that a session comes to whose events arrive in order, each alone."""
    for number in numbers:
        bench.append(scan(bench, session, number))
    stream = bench.log._ids.of("session", "clinic", session)
    state: str = bench.rows(f"SELECT state FROM projections WHERE stream = '{stream}'")[0][0]
    return state
