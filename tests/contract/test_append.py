"""What an append promises, on both databases."""

from collections.abc import Iterator, Sequence
from select import select
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from adapters.sql import Entry, Receipt, Unavailable, Unstorable
from adapters.sql.dialects.statements import Row
from adapters.sql.log.writer import BatchWriter
from core.event import Reading, Unreadable
from tests.support.logs import NOON, Bench, rejection, wms


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    bench = Bench(database_url)
    yield bench
    bench.close()


def test_positions_follow_the_order_of_the_batch(bench: Bench):
    batch = [bench.entry("clinic", wms("s", number)) for number in range(5)]

    receipts = bench.log.append(batch)

    assert [(receipt.verdict, receipt.position) for receipt in receipts] == [("new", n) for n in range(1, 6)]


def test_the_same_delivery_again_is_a_duplicate_of_the_first_ones_position(bench: Bench):
    entry = bench.entry("clinic", wms("s", 0))
    bench.log.append([entry])

    again = bench.log.append([entry, entry])

    assert [(receipt.verdict, receipt.position) for receipt in again] == [("duplicate", 1)] * 2
    assert bench.rows("SELECT count(*) FROM events") == [(1,)]


def test_twins_in_one_batch_make_one_event(bench: Bench):
    entry = bench.entry("clinic", wms("s", 0))

    receipts = bench.log.append([entry] * 50)

    assert [receipt.verdict for receipt in receipts] == ["new"] + ["duplicate"] * 49
    assert bench.rows("SELECT count(*) FROM deliveries") == [(49,)]


def test_an_answer_that_comes_early_is_not_taken_for_that_of_the_next_statement(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(postgresql_url)
    entry = bench.entry("clinic", wms("s", 0))
    bench.log.append([entry])
    held = BatchWriter._held

    def held_once_something_is_answered(writer: BatchWriter, keys: Sequence[Row]) -> Iterator[tuple[Row, int]]:
        monkeypatch.undo()
        rows = held(writer, keys)
        select([writer._connection.driver_connection.pgconn.socket], [], [], 20)
        return rows

    monkeypatch.setattr(BatchWriter, "_held", held_once_something_is_answered)

    with capture_logs() as told:
        receipts = bench.log.append([entry] * 1_000)  # the server answers before it is asked to, where it is so much

    assert {receipt.verdict for receipt in receipts} == {"duplicate"}
    assert told == []
    bench.close()


def test_one_key_with_another_body_is_a_conflict_and_both_bodies_are_kept(bench: Bench):
    first = bench.entry("energy", {"actionId": "a", "result": {"success": True}}, [("svix-id", "msg_1")])
    second = bench.entry("energy", {"actionId": "a", "failedAt": "2026-01-01T00:00:00Z"}, [("svix-id", "msg_1")])

    receipts = [*bench.log.append([first]), *bench.log.append([second])]

    assert [(receipt.verdict, receipt.position) for receipt in receipts] == [("new", 1), ("conflict", 1)]
    assert bench.rows("SELECT body FROM payloads")[0][0] == first.body
    assert bench.rows("SELECT body FROM deliveries")[0][0] == second.body
    assert bench.rows("SELECT state, conflicts FROM projections WHERE kind = 'action'") == [("completed", "1")]


def test_a_conflict_in_one_batch_is_told_like_any_other(bench: Bench):
    first = bench.entry("energy", {"actionId": "a", "result": {"success": True}}, [("svix-id", "msg_1")])
    second = bench.entry("energy", {"actionId": "a", "failedAt": "2026-01-01T00:00:00Z"}, [("svix-id", "msg_1")])

    receipts = bench.log.append([first, second])

    assert [(receipt.verdict, receipt.position) for receipt in receipts] == [("new", 1), ("conflict", 1)]
    assert bench.rows("SELECT state, conflicts FROM projections WHERE kind = 'action'") == [("completed", "1")]


def test_a_batch_larger_than_every_buffer_is_committed(bench: Bench):
    batch = [bench.entry("clinic", wms("s", number, note="x" * 200_000)) for number in range(40)]

    receipts = bench.log.append(batch)

    assert [receipt.position for receipt in receipts] == list(range(1, 41))
    assert bench.rows("SELECT sum(length(body)) FROM payloads")[0][0] > 8_000_000


def test_one_key_in_two_sources_is_two_events(bench: Bench):
    document = {
        "type": "stop_request",
        "sessionId": "s",
        "userId": "u",
        "reason": "x",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    entry = bench.entry("captions", document)
    other = bench.entry("captions", document)
    other.source = "clinic"

    receipts = bench.log.append([entry, other])

    assert [receipt.verdict for receipt in receipts] == ["new", "new"]


def test_a_rejection_is_kept_outside_of_the_log(bench: Bench):
    receipts = bench.log.append([rejection(), bench.entry("clinic", wms("s", 0))])

    assert [receipt.verdict for receipt in receipts] == ["rejected", "new"]
    assert bench.rows("SELECT verdict, reason FROM deliveries") == [("rejected", "signature_missing")]
    assert bench.rows("SELECT count(*) FROM events") == [(1,)]


def test_only_the_newest_thousand_rejections_of_a_source_stay(bench: Bench):
    for _ in range(3):
        bench.log.append([rejection()] * 400)
    bench.log.append([rejection("energy")])

    kept = bench.rows("SELECT source, count(*), min(delivery) FROM deliveries GROUP BY source ORDER BY source")

    assert kept == [("clinic", 1000, 201), ("energy", 1, 1201)]


def test_only_the_newest_thousand_duplicates_of_a_source_stay_and_the_others_are_counted(bench: Bench):
    first, second = (bench.entry("clinic", wms("s", number)) for number in (0, 1))
    other = bench.entry("energy", {"actionId": "a", "result": {"success": True}}, [("svix-id", "msg_1")])
    bench.log.append([first, second, other])
    for _ in range(3):
        bench.log.append([first, second] * 300)
    bench.log.append([other, rejection()])

    kept = bench.rows(
        "SELECT source, verdict, count(*), min(delivery) FROM deliveries GROUP BY 1, 2 ORDER BY min(delivery)"
    )
    counted = bench.rows("SELECT source, position, times, head FROM duplicates ORDER BY position")

    assert kept == [
        ("clinic", "duplicate", 1000, 801),
        ("energy", "duplicate", 1, 1801),
        ("clinic", "rejected", 1, 1802),
    ]
    assert counted == [("clinic", 1, 400, 3), ("clinic", 2, 400, 3)]


def test_conflicts_stay_whatever_comes_behind_them(bench: Bench):
    first = bench.entry("energy", {"actionId": "a", "result": {"success": True}}, [("svix-id", "msg_1")])
    second = bench.entry("energy", {"actionId": "a", "failedAt": "2026-01-01T00:00:00Z"}, [("svix-id", "msg_1")])

    bench.log.append([first, second, *[first] * 1_500])

    assert bench.rows("SELECT verdict, count(*) FROM deliveries GROUP BY verdict ORDER BY verdict") == [
        ("conflict", 1),
        ("duplicate", 1000),
    ]


def disputed(bench: Bench, number: int = 0, **more: Any) -> Entry:
    """A delivery of one of the keys; what differs is in the body alone."""
    return bench.entry("energy", {"actionId": f"a{number}", **more}, [("svix-id", f"msg_{number}")])


CONFLICTS = "SELECT count(*) FROM deliveries WHERE verdict = 'conflict'"
COUNTED_CONFLICTS = "SELECT source, position, times, first_head, head FROM conflicts ORDER BY position"


def test_a_conflict_that_is_on_record_is_counted_and_not_kept_again(bench: Bench):
    first, second = disputed(bench, result=1), disputed(bench, result=2)
    bench.log.append([first, second, second])

    again = [*bench.log.append([second] * 300), *bench.log.append([second, disputed(bench, 1, result=1)])]

    assert [(receipt.verdict, receipt.position) for receipt in again] == [("conflict", 1)] * 301 + [("new", 2)]
    assert bench.rows(CONFLICTS) == [(1,)]
    assert bench.rows(COUNTED_CONFLICTS) == [("energy", 1, 302, 1, 2)]
    assert bench.rows("SELECT conflicts FROM projections WHERE kind = 'action' ORDER BY opened") == [("1",), ("",)]


def test_of_one_event_the_first_ten_other_bodies_stay_and_the_others_are_counted(bench: Bench):
    bench.log.append([disputed(bench, result=0)])

    for start in (1, 9, 17):
        bench.log.append([disputed(bench, result=start + more) for more in range(8)])

    kept = bench.rows("SELECT body FROM deliveries WHERE verdict = 'conflict' ORDER BY delivery")
    assert [bytes(body) for (body,) in kept] == [disputed(bench, result=number).body for number in range(1, 11)]
    assert bench.rows(COUNTED_CONFLICTS) == [("energy", 1, 14, 1, 1)]


def test_of_a_source_the_newest_thousand_conflicts_stay_and_an_event_whose_rows_went_stays_in_conflict(bench: Bench):
    bench.log.append([disputed(bench, number, result=0) for number in range(130)])

    for result in range(1, 9):
        bench.log.append([disputed(bench, number, result=result) for number in range(130)])

    assert bench.rows(CONFLICTS) == [(1000,)]
    assert bench.rows("SELECT sum(times), min(position), max(position) FROM conflicts") == [(40, 1, 40)]


def test_conflicts_that_are_too_large_together_are_counted_the_newest_stays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 50_000)
    bench.log.append([disputed(bench, number) for number in range(4)])

    for number, size in enumerate([20_000, 20_000, 40_000, 60_000]):
        bench.log.append([disputed(bench, number, note="x" * size)])

    assert bench.rows("SELECT position FROM deliveries WHERE verdict = 'conflict'") == [(4,)]
    assert [row[1:3] for row in bench.rows(COUNTED_CONFLICTS)] == [(1, 1), (2, 1), (3, 1)]


def test_a_row_that_the_database_refuses_is_recorded_raw_and_fails_nobody_else(bench: Bench):
    poisoned = bench.entry("clinic", wms("s", 1))
    assert isinstance(poisoned.reading, Reading)
    poisoned.reading.sequence = 2**70

    receipts = bench.log.append([bench.entry("clinic", wms("s", 0)), poisoned, bench.entry("clinic", wms("s", 2))])

    assert [receipt.verdict for receipt in receipts] == ["new"] * 3
    assert [row[0] for row in bench.rows("SELECT reading FROM events ORDER BY position")] == ["ok", "undecodable", "ok"]


@pytest.mark.parametrize("what", ["entry", "rejection"])
def test_what_the_database_takes_in_no_form_fails_nobody_else(bench: Bench, what: str):
    poisoned = bench.entry("clinic", wms("s", 1)) if what == "entry" else rejection()
    poisoned.received_at = 2**63

    first, refused, last = bench.log.commit(
        [bench.entry("clinic", wms("s", 0)), poisoned, bench.entry("clinic", wms("s", 2))]
    )

    assert (first, last) == (Receipt("new", 1), Receipt("new", 2))
    assert isinstance(refused, Unstorable)
    with pytest.raises(Unavailable):
        bench.log.append([poisoned])


def test_what_cannot_be_read_is_recorded_without_a_stream(bench: Bench):
    entry = bench.entry("clinic", wms("s", 0))
    entry.body, entry.identity, entry.reading = b"{,}", b"{,}", Unreadable("not JSON")

    bench.log.append([entry])

    assert bench.rows("SELECT reading, stream, type FROM events") == [("undecodable", None, None)]


def test_recorded_at_never_goes_back(bench: Bench):
    bench.log.append([bench.entry("clinic", wms("s", 0))])
    bench.log._clock = lambda: NOON - 10**9

    bench.log.append([bench.entry("clinic", wms("s", 1))])

    first, second = (row[0] for row in bench.rows("SELECT recorded_at FROM events ORDER BY position"))
    assert second >= first


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET sequence = 9",
        "UPDATE events SET key = key",
        "DELETE FROM events",
        "TRUNCATE events",
        "TRUNCATE events CASCADE",
        "INSERT OR REPLACE INTO events SELECT * FROM events",
        (
            "REPLACE INTO events SELECT source, position + 1, stream, opened, reading, type, sequence, occurred_at, "
            "received_at, recorded_at, key, verified_by, leaf FROM events"
        ),
        # Another source, another key, the same position.
        (
            "INSERT INTO events SELECT 'energy', position, stream, opened, reading, type, sequence, occurred_at, "
            "received_at, recorded_at, leaf, verified_by, leaf FROM events"
        ),
        "UPDATE OR REPLACE events SET position = position + 1",
    ],
)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_the_database_itself_refuses_to_change_an_event(bench: Bench, statement: str, recursive: str):
    bench.log.append([bench.entry("clinic", wms("s", 0))])
    before = bench.rows("SELECT * FROM events")
    connection = bench.engine.connect()
    if bench.engine.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA recursive_triggers = {recursive}")

    with pytest.raises(DBAPIError):
        connection.exec_driver_sql(statement)

    connection.close()
    assert bench.rows("SELECT * FROM events") == before


def test_a_database_that_is_away_is_told_and_the_writer_recovers(bench: Bench):
    bench.log.append([bench.entry("clinic", wms("s", 0))])
    bench.log._connection.close()
    broken, bench.engine.raw_connection = bench.engine.raw_connection, _away  # type: ignore[assignment, method-assign]
    bench.log._connection = None

    with pytest.raises(Unavailable):
        bench.log.append([bench.entry("clinic", wms("s", 1))])

    bench.engine.raw_connection = broken  # type: ignore[method-assign]
    assert bench.log.append([bench.entry("clinic", wms("s", 1))])[0].position == 2


def _away() -> None:
    from sqlite3 import OperationalError

    raise OperationalError("away")


def test_what_was_spooled_is_in_the_log_once_however_often_it_is_drained(bench: Bench):
    first = bench.entry("clinic", wms("s", 0))
    bench.append(first)
    again = msgspec.structs.replace(first, received_at=NOON + 5, spooled=True)
    other = bench.entry("clinic", wms("s", 1))
    spooled = msgspec.structs.replace(other, spooled=True)

    receipts = [
        *bench.log.append([spooled, again, again, spooled]),
        *bench.log.append([spooled, again, first, spooled]),
    ]

    assert [(one.verdict, one.position) for one in receipts] == [
        ("new", 2),
        ("duplicate", 1),
        ("duplicate", 1),
        ("duplicate", 2),
        ("duplicate", 2),
        ("duplicate", 1),
        ("duplicate", 1),
        ("duplicate", 2),
    ]
    assert bench.rows("SELECT position, received_at FROM events ORDER BY position") == [(1, NOON), (2, NOON)]
    assert bench.rows("SELECT position, received_at FROM deliveries ORDER BY delivery") == [(1, NOON + 5), (1, NOON)]
