"""No statement of a hot path reads the whole of a table that grows, or sorts it: the database is asked as they run."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.http import due_counts
from adapters.http.framework import endpoints
from adapters.http.framework.tokens import Caller
from adapters.sql import Entry, Outbox, Reads, Settled, Tree
from adapters.sql.erasure.erase import Eraser
from adapters.sql.log.kept_deliveries import KEPT_DELIVERIES
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.queries.streams import WantedMeasurements, list_measurements
from adapters.sql.replay.build import Builder
from core.folding import prefixes
from core.folding.fold import MACHINES, Settings
from tests.support.house import NOON, SECOND, House, pushed, start, wms
from tests.support.plans import GROWING, Plans, reads_too_much
from tests.support.postgres import Postgres
from tests.support.services import BACKENDS

SESSIONS = 2_000
BATCH = 500
AT = "2023-11-14T22:20:00Z"
FOREIGN = {
    "duplicates": "INSERT INTO duplicates VALUES ('gone', :number, :number, :number, :number)",
    "conflicts": "INSERT INTO conflicts VALUES ('gone', :number, :number, :number, :number, :number, :number)",
    "erased": "INSERT INTO erased VALUES ('gone', :name, :number, :blob, :blob)",
    "retractions": "INSERT INTO retractions VALUES ('gone', :number, :number)",
    "relays": "INSERT INTO relays VALUES ('gone', :number, :name, '', :number, NULL, 0, NULL, NULL, NULL, NULL, NULL)",
    "unfolded": "INSERT INTO unfolded VALUES ('gone', :name, :version, :number, :number, NULL, 0)",
}
NAMES = ("name", "number", "blob", "version")

LISTS: dict[str, list[dict[str, Any]]] = {
    "sessions": [
        {},
        {"source": "clinic"},
        {"provider": "wms"},
        {"state": "created"},
        {"anomaly": "gap"},
        {"since": "2023-11-14T00:00:00Z"},
        {"until": "2033-11-14T00:00:00Z"},
        {"changed_after": 5},
        {"user_id": "u5"},
        {"session_id": "s5"},
        {"ended_by": "LOW_SNR"},
        {"ended_by": "nothing"},
        {"source": "clinic", "last_step": "loaded"},
        {"ended_by": "nothing", "known_at_position": 100},
        {"as_of": AT},
        {"known_at": AT},
        {"known_at_position": 100},
    ],
    "measurements": [
        {},
        {"source": "clinic"},
        {"provider": "wms"},
        {"measurement_id": "m4"},
        {"session_id": "s5"},
        {"state": "created"},
        {"outcome": "canceled"},
        {"anomaly": "gap"},
        {"known_at_position": 100},
    ],
    "actions": [{}, {"action_id": "a5"}, {"device_id": "car-3"}, {"state": "completed"}, {"source": "energy"}],
    "devices": [{}, {"device_id": "car-3"}],
    "registrations": [{}, {"source": "captions"}, {"user_id": "u5"}],
    "events": [
        {},
        {"after": 50},
        {"source": "clinic", "after": 50},
        {"session_id": "s5"},
        {"device_id": "car-3"},
        {"reading": "undecodable"},
        {"reading": "unknown_type", "source": "energy", "after": 50},
        {"type": "CAMERA_STARTED"},
        {"type": "push.completed", "source": "energy", "after": 50},
        {"type": "MEASUREMENT_CANCELED", "session_id": "s5"},
        {"type": "NEVER_HEARD_OF", "reading": "unknown_type"},
    ],
    "deliveries": [
        {},
        {"source": "clinic"},
        {"verdict": "duplicate"},
        {"verdict": "new"},
        {"verdict": "rejected"},
        {"position": 5},
        {"source": "clinic", "verdict": "conflict"},
        {"source": "clinic", "verdict": "rejected", "reason": "signature_mismatch"},
    ],
    "rejections": [{}, {"source": "clinic"}, {"reason": "stale"}],
    **{f"ids/{prefix}_abcdefgh": [{}] for prefix in ("ses", "mea", "act", "dev", "reg")},
    "relays": [{}, {"source": "gone"}, {"source": "gone", "state": "dead"}],
    "audit/completeness": [{}, {"source": "clinic"}, {"session_id": "s5"}],
}


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    with closing(House(database_url)) as house:
        keep_statistics(house)
        yield house


@pytest.fixture(scope="module")
def full_sqlite(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with thousands of events of every kind of stream, which takes seconds to make."""
    path = tmp_path_factory.mktemp("full") / "hookfold.db"
    shutil.copyfile(sqlite_template, path)
    with closing(House(f"sqlite:///{path}")) as house:
        fill(house)
    return path


@pytest.fixture(scope="module")
def full_postgresql(postgres: Postgres, postgresql_template: str) -> str:
    name = postgres.create(postgresql_template)
    with closing(House(postgres.url(name))) as house:
        keep_statistics(house)
        fill(house)
    return name


@pytest.fixture(params=BACKENDS)
def full(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Iterator[House]:
    """A copy of it."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copyfile(request.getfixturevalue("full_sqlite"), tmp_path / "hookfold.db")
            url = f"sqlite:///{tmp_path}/hookfold.db"
        else:
            url = stack.enter_context(postgres.database(request.getfixturevalue("full_postgresql")))
        yield stack.enter_context(closing(House(url)))


def keep_statistics(house: House) -> None:
    """They are there when a test says so."""
    if house.engine.dialect.name == "postgresql":
        with house.engine.begin() as connection:
            for table in GROWING:
                connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))


def fill(house: House) -> None:
    """Thousands of events of every kind of stream, and as many rows in every other table that grows."""
    entries = [entry for number in range(SESSIONS) for entry in _of_one(house, number)]
    for start_at in range(0, len(entries), BATCH):
        house.log.append(entries[start_at : start_at + BATCH])
    house.log.append(entries[:BATCH])
    house.log.append([_entry(house, "energy", pushed(f"a{number}", result=0), f"k{number}") for number in range(BATCH)])
    for _ in range(BATCH):
        house.reject()
    given = [(f"s{number}", number, b"{}", f"v{number % 100}") for number in range(SESSIONS)]
    with house.engine.begin() as connection:
        for statement in FOREIGN.values():
            connection.execute(text(statement), [dict(zip(NAMES, one, strict=True)) for one in given])
    _signer(house).checkpoint()


def gather_statistics(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def watched(house: House, *, as_if_large: bool = True) -> Plans:
    """From now on, all over new connections."""
    house.log.close()
    return Plans(house.engine, as_if_large=as_if_large)


def too_much(plans: Plans) -> dict[str, list[str]]:
    told = plans.told()
    assert len(told) > 5
    return {sql: steps for sql, steps in told.items() if reads_too_much(sql, steps)}


def append_everything(house: House) -> None:
    """New, late, duplicate, conflict, rejected, a first event, an action with its device; with and without memory."""
    for sequence in (3, 3, 9, 5):
        house.send("clinic", wms("s1", sequence, "WEBSOCKET_RECONNECTED"))
    house.send("clinic", wms("s3", 3, "NEVER_HEARD_OF"))
    house.send("energy", pushed("a2", "car-2", result={"ok": False}), key="k2")
    house.send("energy", pushed("a-new", "car-new"), key="k-new")
    house.send("energy", b"{not json", key="k-raw")
    house.send("captions", start("new"))
    house.log.append([house.entry("clinic", wms("s1", 3))] * (KEPT_DELIVERIES + 1))
    house.reject()
    house.log._projector.cache.forget()
    house.send("clinic", wms("s1", 10, "PAGE_UNLOADED"))
    house.send("energy", pushed("a1", "car-1", result={"ok": False}), key="k1")


WHOLE = ["SELECT position FROM events ORDER BY position", "SELECT count(*) FROM events e WHERE e.type = 'WMS_LOADED'"]
PART = [
    "SELECT position FROM events ORDER BY position LIMIT 5",
    "SELECT max(position) FROM events",
    "SELECT e.type FROM events e WHERE e.position > 5 AND e.position < 9",
]


@pytest.mark.parametrize(("statements", "expected"), [(WHOLE, True), (PART, False)])
def test_an_index_that_is_read_from_end_to_end_is_found_out(house: House, statements: list[str], expected: bool):
    plans = watched(house)

    with house.engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))

    told = plans.told()
    assert {sql: reads_too_much(sql, told[sql]) for sql in statements} == dict.fromkeys(statements, expected)


def test_what_is_due_is_counted_without_a_look_at_another_machine_or_source(full: House):
    gather_statistics(full)
    versions, plans = full.api.current.built(), watched(full)

    counts = due_counts(full.api.reads, versions, full.api.sources, 2 * NOON)

    told = {sql: steps for sql, steps in plans.told().items() if "count(*)" in sql}
    assert counts == {("clinic", "overdue"): SESSIONS // 2}
    assert told
    assert all(any("ix_projections_due" in step for step in steps) for steps in told.values())


def test_a_list_of_what_is_due_looks_at_the_streams_of_its_machines_and_sources_alone(house: House):
    house.api.sources["energy"].settings = Settings(overdue_after=SECOND)
    for number in range(30):
        house.log.append(list(_of_one(house, number)))
        house.tell(source="energy", key=f"t{number}", action_id=f"t{number}", state="scheduled", occurred_at=NOON)
    gather_statistics(house)
    plans = watched(house)

    indexes = {}
    for path, named in (("sessions", None), ("sessions", "clinic"), ("actions", None), ("actions", "energy")):
        asked: dict[str, Any] = {"source": named} if named else {}
        first = house.get(f"/v1/{path}", overdue="true", now=AT, limit=5, **asked)
        following = house.get(f"/v1/{path}", cursor=first["next_cursor"])
        assert (len(first["data"]), len(following["data"])) == (5, 5)
        told = [steps for sql, steps in plans.told().items() if "projections.snapshot" in sql]
        indexes[path, named] = {read for steps in told for read in _read_of_projections(steps)}
    Reads(house.engine).live_actions("energy", house.api.current.built(), 5, 2 * NOON, 50)
    told = [steps for sql, steps in plans.told().items() if "projections" in sql]
    indexes["actions", "live"] = {read for steps in told for read in _read_of_projections(steps)}

    by_source = {("ix_projections_due", ("machine", "source")), ("ix_projections_due", ("machine", "source", "opened"))}
    assert indexes == {
        ("sessions", None): {("ix_projections_live", ("machine",)), ("ix_projections_live", ("machine", "opened"))},
        ("sessions", "clinic"): by_source,
        ("actions", None): by_source,
        ("actions", "energy"): by_source,
        ("actions", "live"): {("ix_projections_due", ("machine", "source", "opened"))},
    }


def _read_of_projections(steps: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The indexes through which projections are read, and the columns that say which part of one."""
    for number, step in enumerate(steps):
        if found := re.search(r"projections USING INDEX (\w+) \((.*)\)|using (\w+) on projections\b", step):
            part = found.group(2) or next(line for line in steps[number:] if "Index Cond" in line)
            names = re.findall(r"\b(machine|source|opened|kind|state) ?[=<>]", part)
            yield found.group(1) or found.group(3), tuple(names)


@pytest.mark.parametrize("analysed", [True, False])
def test_an_append_looks_at_what_it_touches_alone(full: House, analysed: bool):
    if analysed:
        gather_statistics(full)
    plans = watched(full, as_if_large=False)

    append_everything(full)

    assert too_much(plans) == {}


def test_whether_the_stream_of_a_late_event_is_long_is_seen_from_its_own_events(house: House):
    for number in (0, 2):
        house.send("clinic", wms("s1", number))
    plans = watched(house)

    house.send("clinic", wms("s1", 1))

    (steps,) = (steps for sql, steps in plans.told().items() if sql.startswith("SELECT 1 FROM events"))
    assert "opened" in " ".join(steps)


def test_retention_looks_at_each_stream_s_own_events(house: House):
    house.send("clinic", wms("s1", 0))
    plans = watched(house)
    afresh = Invalidator(house.log._dialect, house.code)

    Eraser(house.engine, house.log, house.recorder, afresh).before("clinic", NOON + 3_600 * SECOND)

    (steps,) = (steps for sql, steps in plans.told().items() if "NOT EXISTS (SELECT 1 FROM events e" in sql)
    assert "opened" in " ".join(steps)


def test_an_append_to_a_new_database_does_what_it_does_in_a_large_one(house: House):
    plans = watched(house, as_if_large=False)

    append_everything(house)

    assert too_much(plans) == {}


def test_the_sealer_reads_on_where_it_stopped(full: House):
    append_everything(full)
    gather_statistics(full)
    plans, signer = watched(full), _signer(full)

    signer.seal()
    signer.checkpoint()
    signer.newest()
    signer.inclusion(7)
    signer.consistency(100, 5_000)

    assert too_much(plans) == {}


def test_a_question_reads_no_more_than_its_answer_holds(full: House):
    gather_statistics(full)
    plans = watched(full)

    for path, asked in LISTS.items():
        for filters in asked:
            if following := full.get(f"/v1/{path}", **filters)["next_cursor"]:
                full.get(f"/v1/{path}", cursor=following)
    for path in _paths_of_one(full):
        full.get(path)
    full.client.get("/readyz")

    assert too_much(plans) == {}


def test_the_measurements_of_a_source_with_nearly_all_of_them_are_read_in_their_order(full: House):
    gather_statistics(full)
    versions = [machine.fingerprint for machine in MACHINES.values()]
    wanted = WantedMeasurements(fingerprints=versions, limit=26, sources=["clinic"])

    with full.engine.connect() as connection:
        sql = list_measurements(wanted).compile(full.engine, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN QUERY PLAN" if full.engine.dialect.name == "sqlite" else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{explain} {sql}").fetchall())

    assert "ix_measurements_opened" in plan
    assert "Seq Scan on measurements" not in plan


def test_a_part_of_a_long_stream_is_told_without_a_walk_through_its_source(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prefixes, "LONG", 3)
    for number in range(5):
        house.send("clinic", wms("s1", number))
    path = f"/v1/sessions/{house.get('/v1/sessions')['data'][0]['id']}"
    plans = watched(house)

    house.get(f"{path}/timeline", limit="2")
    house.get(f"{path}/why")

    assert too_much(plans) == {}


def test_a_question_of_few_sources_reads_no_more(full: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(endpoints, "caller", lambda: Caller("limited", frozenset({"clinic", "energy"})))
    gather_statistics(full)
    plans = watched(full)

    for path in ("sessions", "measurements", "events", "deliveries"):
        following = full.get(f"/v1/{path}")["next_cursor"]
        full.get(f"/v1/{path}", cursor=following)
    full.get("/v1/events", type="NEVER_HEARD_OF")
    full.get("/v1/overview")
    full.get("/v1/events/5")

    assert too_much(plans) == {}


def test_what_is_delivered_costs_no_more_however_much_waits(full: House):
    gather_statistics(full)
    with full.engine.begin() as connection:
        connection.execute(text("UPDATE relays SET source = 'clinic' WHERE position <= 1000"))
        connection.execute(text("UPDATE relays SET dead_at = 1, due = NULL WHERE position BETWEEN 100 AND 600"))
    plans, outbox = watched(full), Outbox(full.engine, "one")

    outbox.release(NOON)
    first, second, third, *_ = outbox.turn("clinic", [], 5, NOON, NOON + 1).taken
    settled = [Settled(first, NOON), Settled(second, NOON, NOON + 9), Settled(third, NOON, dead=True)]
    outbox.turn("clinic", settled, 5, NOON, NOON + 1)
    full.get("/v1/relays/summary")

    assert too_much(plans) == {}


def test_a_rebuild_reads_each_stream_by_itself(full: House):
    gather_statistics(full)
    plans = watched(full)

    builder = Builder(full.engine, full.code, lambda: 2 * NOON)
    builder.finish(builder.build(list(MACHINES), lambda _: None))

    assert too_much(plans) == {}


def _of_one(house: House, number: int) -> Iterator[Entry]:
    yield _entry(house, "clinic", wms(f"s{number}", 0))
    yield _entry(house, "clinic", wms(f"s{number}", 1, "MEASUREMENT_CREATED", measurementId=f"m{number}"))
    if number % 2:
        yield _entry(house, "clinic", wms(f"s{number}", 2, "MEASUREMENT_CANCELED", measurementId=f"m{number}"))
    yield _entry(house, "energy", pushed(f"a{number}", f"car-{number % 50}"), f"k{number}")
    yield _entry(house, "captions", start(f"u{number}"))


def _entry(house: House, source: str, document: dict[str, Any], key: str = "") -> Entry:
    provider, body = house.providers[source], json.dumps(document).encode()
    headers, reading = [("svix-id", key)], provider.read(body)
    identity = provider.identity(headers, body, reading)
    by = "env:SECRET" if provider.signed else None
    return Entry(source, NOON, headers, body, by, identity, reading, provider.keyed_by_body)


def _signer(house: House) -> CheckpointSigner:
    return CheckpointSigner(Tree(house.engine), CurrentKey(SigningKey(b"k" * 32)))


def _paths_of_one(house: House) -> Iterator[str]:
    every = {"timeline", "why", "compare?known_at_position=100"}
    more = {"sessions": every | {"events", "runs"}, "measurements": every - {"compare"}, "actions": every}
    for kind in ("sessions", "measurements", "actions", "devices", "registrations"):
        found = house.get(f"/v1/{kind}")["data"]
        if found:
            path = f"/v1/{kind}/{found[0]['id']}"
            yield from (path, f"{path}?known_at_position=100000", *(f"{path}/{one}" for one in more.get(kind, ())))
    yield "/v1/events/5"
