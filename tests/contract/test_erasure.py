"""What an erasure destroys and what it leaves, on both databases."""

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import make_url, update

from adapters.audit import SigningKey, Verification, verify_log
from adapters.sql.database.tables import payloads
from core.folding import fold
from tests.support.erasing import Erasing
from tests.support.logs import NOON, SECOND, rejection, wms
from tests.support.server import binaries

SECRETIVE = "anna.secret@example.com"
PACKAGE = "com.example.captions"


@pytest.fixture
def bench(database_url: str) -> Iterator[Erasing]:
    bench = Erasing(database_url)
    yield bench
    bench.close()


def start(user: str, at: str = "12:00:00") -> dict[str, Any]:
    return {
        "type": "session_request",
        "sessionId": f"{user}-{PACKAGE}",
        "userId": user,
        "timestamp": f"2023-07-18T{at}.000Z",
        "mentraOSWebsocketUrl": f"wss://cloud.example.com/{user}",
    }


def scan(session: str) -> list[dict[str, Any]]:
    return [
        wms(session, 0),
        wms(session, 1, "CONFIGURATION_LOADED"),
        wms(session, 2, "CAMERA_PERMISSION_GRANTED"),
        wms(session, 3, "CAMERA_STARTED"),
        wms(session, 4, "MEASUREMENT_STARTED"),
        wms(session, 5, "MEASUREMENT_CREATED", measurementId=f"m-of-{session}"),
        wms(session, 6, "INTERMEDIATE_RESULTS", measurementId=f"m-of-{session}", snr=3.5),
    ]


def send(bench: Erasing, source: str, *documents: dict[str, Any]) -> list[tuple[str, int]]:
    receipts = bench.log.append([bench.entry(source, document) for document in documents])
    return [(receipt.verdict, receipt.position) for receipt in receipts]


def projected(bench: Erasing, stream: str) -> list[Any]:
    return bench.rows(f"SELECT state, outcome, user_id, position FROM projections WHERE stream = '{stream}'")


def state_of(bench: Erasing, stream: str) -> Any:
    ((machine, snapshot),) = bench.rows(f"SELECT machine, snapshot FROM projections WHERE stream = '{stream}'")
    return fold.decode(fold.MACHINES[machine], snapshot)


def test_the_body_is_gone_and_the_state_is_as_it_was_folded(bench: Erasing):
    send(bench, "clinic", *scan("s-1"))
    stream = bench.stream("session", "clinic", "s-1")
    before = state_of(bench, stream)

    bench.erase(stream)

    after = state_of(bench, stream)
    assert (after.state, after.regions, after.run, after.events) == ("scanning", before.regions, 1, 7)
    assert [record.measurement_id for record in after.measurements] == [None]
    gone = bench.rows(
        "SELECT count(*) FROM payloads WHERE source = 'clinic' AND body IS NULL AND commitment IS NOT NULL"
    )
    assert gone == [(7,)]
    assert bench.rows("SELECT provider_id FROM streams") == [(None,)]


def test_the_event_that_tells_of_it_names_our_ids_alone_and_who_and_why(bench: Erasing):
    send(bench, "captions", start(SECRETIVE))
    stream = bench.stream("session", "captions", f"{SECRETIVE}-{PACKAGE}")

    bench.eraser.erase(bench.eraser.of_user(SECRETIVE), "she asked", by="the operator")

    ((kind, body),) = bench.rows(
        "SELECT e.type, p.body FROM events e JOIN payloads p ON p.source = e.source AND p.position = e.position "
        "WHERE e.source = 'hookfold'"
    )
    assert kind == "erased"
    told = bytes(body).decode()
    assert {stream, "she asked", "the operator"} <= set(told.split('"'))
    assert SECRETIVE not in told


def test_our_ids_of_measurements_survive_although_nobody_can_derive_them_any_more(bench: Erasing):
    send(bench, "clinic", *scan("s-1"))
    before = bench.rows("SELECT measurement, state, opened FROM measurements")

    bench.erase(bench.stream("session", "clinic", "s-1"))

    assert bench.rows("SELECT measurement, state, opened FROM measurements") == before
    assert bench.rows("SELECT measurement_id FROM measurements") == [(None,)]


@pytest.mark.parametrize("altered", [b"", b"host:a", b"\x01\x80\xff"])
def test_headers_that_were_altered_stop_no_erasure_and_stay_to_be_seen(bench: Erasing, altered: bytes):
    send(bench, "clinic", wms("s-1", 0))
    with bench.engine.begin() as connection:
        connection.execute(update(payloads).values(headers=altered))

    bench.erase(bench.stream("session", "clinic", "s-1"))

    assert bench.rows("SELECT headers, body FROM payloads WHERE position = 1") == [(None, None)]
    verdict = verify_log(bench.engine, Verification(SigningKey(b"k" * 32).key, (), {}))
    assert verdict.wrong is not None
    assert verdict.wrong.position == 1


def test_an_erased_key_stays_a_duplicate_and_nothing_is_kept_of_it_again(bench: Erasing):
    send(bench, "clinic", wms("s-1", 0))
    bench.erase(bench.stream("session", "clinic", "s-1"))

    again = send(bench, "clinic", wms("s-1", 0))

    assert again == [("duplicate", 1)]
    assert bench.rows("SELECT body FROM payloads WHERE position = 1") == [(None,)]
    assert bench.rows("SELECT verdict, body FROM deliveries") == [("duplicate", None)]


def test_one_key_with_another_body_is_no_conflict_once_the_first_body_is_gone(bench: Erasing):
    pushed = {"actionId": "a", "result": {"success": True}}
    bench.append(bench.entry("energy", pushed, [("svix-id", "msg_1")]))
    bench.erase(bench.stream("action", "energy", "a"))

    receipt = bench.append(bench.entry("energy", pushed | {"error": "x"}, [("svix-id", "msg_1")]))

    assert (receipt.verdict, receipt.position) == ("duplicate", 1)


def test_kept_conflicts_and_rejections_that_name_the_erased_are_emptied(bench: Erasing):
    bench.append(bench.entry("energy", {"actionId": SECRETIVE}, [("svix-id", "msg_1")]))
    bench.append(bench.entry("energy", {"actionId": SECRETIVE, "x": 1}, [("svix-id", "msg_1")]))
    forged = rejection("energy")
    forged.body, forged.hint = f'{{"actionId": "{SECRETIVE}"}}'.encode(), "no such signature"
    bench.log.append([forged])

    bench.erase(bench.stream("action", "energy", SECRETIVE))

    assert bench.rows("SELECT verdict, headers, body, hint FROM deliveries ORDER BY delivery") == [
        ("conflict", None, None, None),
        ("rejected", None, None, None),
    ]


def test_what_cannot_be_read_but_names_the_erased_goes_too(bench: Erasing):
    send(bench, "captions", start(SECRETIVE), {"type": "session_request", "userId": SECRETIVE, "sessionId": ""})
    assert bench.rows("SELECT count(*) FROM events WHERE stream IS NULL") == [(1,)]

    bench.eraser.erase(bench.eraser.of_user(SECRETIVE), "asked for")

    assert bench.rows("SELECT count(*) FROM payloads WHERE source = 'captions' AND body IS NOT NULL") == [(0,)]


@pytest.mark.parametrize(
    "written", ["é/a@example.com", r"\u00e9/a@example.com", r"\u00E9\/a@example.com", r"é\/a@example.com"]
)
def test_a_name_is_found_however_its_sender_escapes_it(bench: Erasing, written: str):
    send(bench, "captions", start("é/a@example.com"))
    forged = rejection("captions")
    forged.body = f'{{"userId": "{written}"}}'.encode()
    bench.log.append([forged])

    found = bench.eraser.of_user("é/a@example.com")

    assert len(found.rejections) == 1


def test_a_user_is_found_in_every_stream_that_names_them_and_nobody_else_is_touched(bench: Erasing):
    other = "bert@example.com"
    registration = {
        "type": "server_registration",
        "registrationId": "r-1",
        "userId": "developer@example.com",
        "packageName": PACKAGE,
        "serverUrls": [],
        "timestamp": "2023-07-18T11:00:00.000Z",
        "sessionId": f"{SECRETIVE}-{PACKAGE}",
    }
    send(bench, "captions", start(SECRETIVE), start(other), registration)

    found = bench.eraser.of_user(SECRETIVE)

    expected = {("session", f"{SECRETIVE}-{PACKAGE}"), ("registration", "r-1")}
    assert set(found.streams) == {("captions", bench.stream(kind, "captions", name)) for kind, name in expected}


def test_a_device_that_only_the_erased_action_named_goes_with_it(bench: Erasing):
    for action, device in (("a", "car-1"), ("b", "car-2"), ("c", "car-2")):
        bench.append(bench.entry("energy", {"actionId": action, "deviceId": device}, [("svix-id", action)]))

    bench.erase(bench.stream("action", "energy", "a"), bench.stream("action", "energy", "b"))

    left = bench.rows("SELECT provider_id FROM streams WHERE provider_id IS NOT NULL ORDER BY 1")
    assert left == [("c",), ("car-2",)]


def test_what_comes_after_an_erasure_is_folded_onto_what_is_left(bench: Erasing):
    stop = {
        "type": "stop_request",
        "sessionId": f"{SECRETIVE}-{PACKAGE}",
        "userId": SECRETIVE,
        "timestamp": "2023-07-18T12:10:00.000Z",
        "reason": "user_disabled",
    }
    send(bench, "captions", start(SECRETIVE))
    stream = bench.stream("session", "captions", f"{SECRETIVE}-{PACKAGE}")
    bench.erase(stream)

    send(bench, "captions", stop, start(SECRETIVE, "13:00:00"))
    state = state_of(bench, stream)

    assert (state.state, state.run, state.events) == ("active", 2, 3)
    assert state.runs[0].ended_by == "stop_request"
    assert bench.rows("SELECT provider_id FROM streams") == [(f"{SECRETIVE}-{PACKAGE}",)]


@pytest.mark.parametrize("order", [(7, 8, 9), (9, 7, 8), (8, 9, 7)])
def test_after_an_erasure_any_order_of_arrival_gives_one_state(bench: Erasing, order: tuple[int, ...]):
    later = {number: wms("s-1", number, "INTERMEDIATE_RESULTS", measurementId="m-of-s-1", snr=4.0) for number in order}
    send(bench, "clinic", *scan("s-1"))
    stream = bench.stream("session", "clinic", "s-1")
    bench.erase(stream)

    for number in order:
        send(bench, "clinic", later[number])
    state = state_of(bench, stream)

    assert (state.state, state.run, state.events) == ("scanning", 2, 10)
    assert [anomaly.kind for anomaly in state.anomalies if anomaly.kind != "late"] == ["gap", "unexpected"]


def test_another_process_forgets_what_it_remembered_of_the_erased(bench: Erasing, database_url: str):
    other = Erasing(database_url)
    send(other, "captions", start(SECRETIVE))
    stream = bench.stream("session", "captions", f"{SECRETIVE}-{PACKAGE}")
    bench.erase(stream)

    send(other, "captions", start(SECRETIVE, "13:00:00"))

    assert state_of(other, stream).run == 2
    other.close()


def test_age_takes_streams_of_which_nothing_was_recorded_since(bench: Erasing):
    send(bench, "clinic", wms("old", 0), wms("alive", 0))
    bench.log._clock = lambda: NOON + 100 * SECOND
    send(bench, "clinic", wms("alive", 1), wms("new", 0))

    bench.eraser.erase(bench.eraser.before("clinic", NOON + 50 * SECOND), "keep_for")

    left = bench.rows("SELECT provider_id FROM streams WHERE provider_id IS NOT NULL ORDER BY opened")
    assert left == [("alive",), ("new",)]
    assert not bench.eraser.before("clinic", NOON + 50 * SECOND)


def test_a_stream_that_receives_an_event_after_it_was_found_old_keeps_its_bodies(bench: Erasing):
    send(bench, "clinic", wms("quiet", 0), wms("alive", 0))
    bench.log._clock = lambda: NOON + 100 * SECOND
    found = bench.eraser.before("clinic", NOON + 50 * SECOND)
    send(bench, "clinic", wms("alive", 1))

    erasure = bench.eraser.erase(found, "keep_for")

    assert (len(erasure.streams), len(erasure.erased), erasure.searched) == (1, 1, 2)
    assert found.streams == [("clinic", bench.stream("session", "clinic", "quiet"))]
    whole = bench.rows("SELECT position FROM payloads WHERE source = 'clinic' AND body IS NOT NULL ORDER BY position")
    assert whole == [(2,), (3,)]


def test_what_arrives_for_a_user_between_the_search_and_the_erasure_is_erased_too(bench: Erasing):
    send(bench, "captions", start(SECRETIVE), start("bert@example.com"))
    found = bench.eraser.of_user(SECRETIVE)
    send(bench, "captions", start(SECRETIVE, "13:00:00"))
    send(bench, "captions", start(SECRETIVE) | {"sessionId": "glasses-2", "timestamp": "2023-07-18T13:00:00.000Z"})
    forged = rejection("captions")
    forged.body = json.dumps(start(SECRETIVE)).encode()
    bench.log.append([forged])

    erasure = bench.eraser.erase(found, "asked for")

    assert (len(erasure.streams), len(erasure.erased), erasure.rejections, erasure.left) == (2, 3, 1, 0)
    assert [(erasure.searched,)] == bench.rows("SELECT max(position) FROM events")
    assert not bench.eraser.of_user(SECRETIVE)
    assert bench.rows("SELECT position FROM payloads WHERE source <> 'hookfold' AND body IS NOT NULL") == [(2,)]


def test_what_goes_on_arriving_for_an_erased_user_is_told(bench: Erasing):
    send(bench, "captions", start(SECRETIVE))
    seconds = count()

    def again(_done: int, _whole: int) -> None:
        send(bench, "captions", start(SECRETIVE, f"13:00:{next(seconds):02}"))

    erasure = bench.eraser.erase(bench.eraser.of_user(SECRETIVE), "asked for", progress=again)

    assert (erasure.left, len(erasure.positions)) == (1, 3)
    bodies = "SELECT count(*) FROM payloads WHERE source = 'captions' AND body IS NOT NULL"
    assert bench.rows(bodies) == [(1,)]
    assert bench.rows(f"{bodies} AND position <= {erasure.searched}") == [(0,)]


def test_a_device_that_another_action_names_meanwhile_stays(bench: Erasing):
    bench.append(bench.entry("energy", {"actionId": "a", "deviceId": "car-1"}, [("svix-id", "a")]))
    found = bench.eraser.of_streams([bench.stream("action", "energy", "a")])
    bench.append(bench.entry("energy", {"actionId": "b", "deviceId": "car-1"}, [("svix-id", "b")]))

    bench.eraser.erase(found, "asked for")

    left = bench.rows("SELECT provider_id FROM streams WHERE provider_id IS NOT NULL ORDER BY 1")
    assert left == [("b",), ("car-1",)]


def test_an_erasure_in_parts_tells_of_each_part(bench: Erasing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.erasure.erase.PART", 2)
    send(bench, "clinic", *(wms(f"s-{number}", 0) for number in range(5)))

    erasure = bench.eraser.erase(bench.eraser.before("clinic", NOON + 100 * SECOND), "keep_for")

    assert (len(erasure.streams), len(erasure.erased), len(erasure.positions)) == (5, 5, 3)
    assert bench.rows("SELECT DISTINCT erased FROM payloads WHERE source = 'clinic' ORDER BY 1") == [(6,), (7,), (8,)]


def test_what_waits_to_be_delivered_of_the_erased_goes_with_them(bench: Erasing):
    for user in (SECRETIVE, "bert@example.com"):
        entry = bench.entry("captions", start(user))
        bench.append(msgspec.structs.replace(entry, relay=f"/webhook?user={user}"))

    bench.eraser.erase(bench.eraser.of_user(SECRETIVE), "asked for")

    assert bench.rows("SELECT position, target FROM relays") == [(2, "/webhook?user=bert@example.com")]


def test_verification_stays_green_and_counts_the_erased(bench: Erasing):
    send(bench, "clinic", *scan("s-1"), wms("s-2", 0))
    bench.erase(bench.stream("session", "clinic", "s-1"))
    key = SigningKey(b"k" * 32).key

    verdict = verify_log(bench.engine, Verification(key, (), {}))

    assert (verdict.wrong, verdict.size, verdict.erased) == (None, 9, 7)


def test_no_byte_of_the_erased_is_left_in_the_database(bench: Erasing, database_url: str, tmp_path: Path):
    send(bench, "captions", start(SECRETIVE), start("bert@example.com"))
    send(bench, "clinic", *scan(SECRETIVE))
    forged = rejection("clinic")
    forged.body = f'{{"sessionId":"{SECRETIVE}"}}'.encode()
    bench.log.append([forged])
    assert SECRETIVE.encode() in dump(bench, database_url)

    bench.eraser.erase(bench.eraser.of_user(SECRETIVE), "asked for")
    bench.erase(bench.stream("session", "clinic", SECRETIVE))
    bench.log.close()
    left = dump(bench, database_url)

    for trace in (SECRETIVE, "m-of-", "anna.secret", "wss://cloud.example.com/anna"):
        assert trace.encode() not in left
    assert b"bert@example.com" in left


def dump(bench: Erasing, url: str) -> bytes:
    """SQLite: the files after what the documentation says. PostgreSQL: every table as pg_dump writes it."""
    if bench.engine.dialect.name == "sqlite":
        with bench.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
            connection.exec_driver_sql("BEGIN")
        file = Path(str(make_url(url).database))
        return b"".join(path.read_bytes() for path in file.parent.glob(file.name + "*"))
    return pg_dump(url)


def pg_dump(url: str) -> bytes:
    """Bytes stand in a dump as hex: they are given back as bytes."""
    parsed = make_url(url)
    host = str(parsed.query["host"])
    text = subprocess.run(
        [str(binaries() / "pg_dump"), "-h", host, "-U", "postgres", str(parsed.database)],
        capture_output=True,
        check=True,
    ).stdout
    plain = [bytes.fromhex(word[3:].decode()) for word in text.split() if word.startswith(b"\\\\x")]
    return text + b"\n".join(plain)
