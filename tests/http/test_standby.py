"""Questions to a real standby of PostgreSQL: it gives the answers of the server that it follows, and writes nothing."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import psycopg
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from adapters.cli import command_line
from adapters.config import ConfigError, Settings, load
from adapters.providers import sign_svix, sign_wms
from adapters.sql import GroupCommit, Unavailable
from app import commands
from tests.support.postgres import Postgres, url_of
from tests.support.service import AMPS_SECRET, CONFIGURATION, SECRETS, WMS_SECRET, Service, running
from wiring.components import now
from wiring.opening import open_components, open_to_read, start

PATIENCE = 30.0
NOW = "2026-01-01T00:00:00Z"
RECORDING = {"/v1/events/{position}/body", "/v1/sessions/{id}/evidence", "/v1/measurements/{id}/evidence"}
OTHERS = {"/readyz", "/metrics"}
WITH = {"proof": "?position=1", "compare": "?known_at_position=1&with_position=9"}
REGISTERED = {
    "type": "server_registration",
    "sessionId": "registration-1",
    "userId": "system",
    "timestamp": "2023-11-14T22:00:00Z",
    "registrationId": "reg-1",
    "packageName": "com.example.captions",
    "serverUrls": ["https://app.example.com/webhook"],
}
VISIT = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]


class Place:
    """A server, one that follows it, and a log."""

    def __init__(self, postgres: Postgres, standby: Path, folder: Path) -> None:
        self.postgres = postgres
        self.folder = folder
        self.database = postgres.create()
        self.primary = postgres.url(self.database)
        self.standby_folder = standby
        self.standby = url_of(standby, self.database)
        (folder / "hookfold.toml").write_text(CONFIGURATION)

    def settings(self, url: str) -> Settings:
        env = {"HOOKFOLD_CONFIG": str(self.folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url} | SECRETS
        return load(None, env)

    def replayed(self) -> None:
        """Returns once the standby has all that is committed."""
        at = self.postgres.ask(self.primary, "SELECT pg_current_wal_lsn()::text")
        deadline = time.monotonic() + PATIENCE
        while not self._has(at):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _has(self, at: str) -> bool:
        return bool(self.postgres.ask(self.standby, f"SELECT pg_last_wal_replay_lsn() >= '{at}'"))

    def type(self, url: str, *words: str) -> Result:
        """A command as it is typed."""
        env = {"HOOKFOLD_CONFIG": str(self.folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url} | SECRETS
        with capture_logs():
            return CliRunner(env=env).invoke(command_line(commands()), list(words))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Postgres() as postgres, postgres.standby() as standby:
        made = Place(postgres, standby.folder, tmp_path_factory.mktemp("standby"))
        _fill(made)
        made.replayed()
        yield made


@pytest.fixture(scope="module")
def both(place: Place) -> Iterator[tuple[Any, Any]]:
    """Who asks the one, and who asks the other."""
    parts, reading = open_components(place.settings(place.primary)), open_to_read(place.settings(place.standby))
    with closing(parts), closing(reading), closing(parts.log()) as log:
        yield (
            parts.flask(parts.door(), GroupCommit(log.commit).append).test_client(),
            reading.http(reading.reading_api(), reading.closed_door(), _unasked).test_client(),
        )


def test_a_standby_gives_the_answers_of_the_server_that_it_follows(place: Place, both: tuple[Any, Any]):
    primary, standby = both
    paths = [path for path in _asked(primary) if path not in RECORDING | OTHERS and not path.endswith("/stream")]
    assert len(paths) > 30

    place.replayed()

    for path in paths:
        asked = _named(primary, path) + WITH.get(path.rpartition("/")[2], "")
        there, here = primary.get(asked), standby.get(asked)
        assert (here.status_code, _lasting(here)) == (200, _lasting(there)), asked
    for path in ("/v1/events?after=3&limit=2", "/v1/sessions?state=stopped", "/v1/sessions?known_at_position=4"):
        assert _lasting(standby.get(path)) == _lasting(primary.get(path))


def test_bodies_and_bundles_come_from_a_standby_and_are_noted_in_a_line(place: Place, both: tuple[Any, Any]):
    primary, standby = both
    bundles = [_named(primary, f"/v1/{kind}/{{id}}/evidence") for kind in ("sessions", "measurements")]
    there = [_events(primary.get(bundle).data) for bundle in bundles]
    place.replayed()

    with capture_logs() as lines:
        here = [_events(standby.get(bundle).data) for bundle in bundles]
        body = standby.get("/v1/events/2/body")

    assert [set(one) for one in here] == [set(one) for one in there]
    assert body.data == primary.get("/v1/events/2/body").data
    told = [(line["event"], line["by"]) for line in lines if line["event"] in {"evidence_made", "body_read"}]
    assert told == [("evidence_made", "local")] * 2 + [("body_read", "local")]


def test_what_no_checkpoint_covers_is_asked_for_later(place: Place, both: tuple[Any, Any]):
    primary, standby = both
    primary.get("/v1/audit/checkpoint?fresh=true")
    _send(primary, "/in/captions", _start("late"))
    place.replayed()
    last = primary.get("/v1/events?limit=100").json["data"][-1]["position"]

    fresh, proof = standby.get("/v1/audit/checkpoint?fresh=true"), standby.get(f"/v1/audit/proof?position={last}")

    assert (fresh.status_code, proof.status_code) == (503, 503)
    assert "no checkpoint covers" in fresh.json["detail"]
    assert standby.get("/v1/audit/checkpoint").data == primary.get("/v1/audit/checkpoint").data


def test_a_service_that_only_reads_has_no_way_in(place: Place, both: tuple[Any, Any]):
    _, standby = both

    assert _send(standby, "/in/captions", _start("nobody")).status_code == 404
    assert standby.post("/v1/actions", json={}).status_code == 405
    assert standby.post("/v1/replays", json={}).status_code == 405
    told = standby.get("/openapi.json").json["paths"]
    assert [path for path, methods in told.items() if "post" in methods and path.startswith("/v1/")] == []


def test_it_says_that_it_is_ready_without_a_write_and_until_when_it_has_replayed(place: Place, both: tuple[Any, Any]):
    primary, standby = both
    place.replayed()

    told = standby.get("/readyz").json

    assert (told["status"], told["position"]) == ("ok", primary.get("/readyz").json["position"])
    assert (told["replica"]["status"], told["replica"]["lag"]) == ("ok", None)
    assert told["replica"]["replayed_at"].endswith("Z")
    assert "replica" not in primary.get("/readyz").json


READING = [
    ("replay", "status", "--json"),
    ("replay", "diff", "--json"),
    ("replay", "capture", "{session}"),
    *((("export", "--format", form)) for form in ("jsonl", "cloudevents", "states", "timelines")),
    ("audit", "timeline", "{session}"),
    ("audit", "completeness", "--now", NOW),
    ("audit", "checkpoint"),
    ("audit", "proof", "2"),
    ("audit", "key"),
    ("db", "status"),
    ("db", "check"),
]


def test_every_command_that_reads_tells_the_same_of_a_standby(place: Place, both: tuple[Any, Any]):
    primary, _ = both
    session = _named(primary, "{session}")
    words = [[word.format(session=session) for word in command] for command in READING]
    here, there = [], []
    for command in words:
        there.append(place.type(place.primary, *command))
        place.replayed()
        here.append((command, place.type(place.standby, *command)))

    for (command, one), other in zip(here, there, strict=True):
        assert (command, one.exit_code, one.stdout) == (command, other.exit_code, other.stdout)
        assert one.stdout
    for url in (place.primary, place.standby):
        assert place.type(url, "audit", "verify").exit_code == 0
        bundle = place.type(url, "audit", "bundle", session, "-o", str(place.folder / "evidence.zip"))
        assert bundle.exit_code == 0, bundle.output


@pytest.mark.parametrize("words", [("replay", "run"), ("audit", "retract", "2", "--reason", "a lie")])
def test_a_command_that_writes_says_that_it_is_a_standby(place: Place, words: tuple[str, ...]):
    result = place.type(place.standby, *words)

    assert result.exit_code == 1
    assert "standby" in result.output or "read-only" in result.output


def test_a_log_of_somebody_else_is_no_replica(place: Place, tmp_path: Path):
    url = place.postgres.url(place.postgres.create())
    (tmp_path / "hookfold.toml").write_text(f'[service]\nread_database_url = "{place.standby}"\n')
    env = {"HOOKFOLD_CONFIG": str(tmp_path / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url}

    with pytest.raises(ConfigError, match=r"service\.read_database_url: another log is there"):
        start(load(None, env))


def test_questions_go_to_the_replica_of_a_service(place: Place, tmp_path: Path):
    database = place.postgres.create()
    url, standby = place.postgres.url(database), url_of(place.standby_folder, database)
    replica = f'[service]\nread_database_url = "{standby}"\n'
    with (
        running(url, tmp_path, configuration=replica + CONFIGURATION) as service,
        running(standby, tmp_path, options=["--read-only"]) as reading,
    ):
        _reads_its_own_writes(service, reading)
        _falls_back(service, standby)
        place.postgres.stop()
        try:
            _answers_questions(service, reading)
        finally:
            place.postgres.start()
        _await(lambda: service.glasses(_start("back")).status == 200)


def _reads_its_own_writes(service: Service, reading: Service) -> None:
    for number in range(5):
        position = service.glasses(_start(f"user-{number}")).headers["hookfold-position"]
        for one in (service, reading):
            told = one.get(f"/v1/sessions?min_position={position}")["data"]
            assert told[0]["position"] == int(position)
    assert service.get("/readyz")["replica"]["status"] == "ok"


def _falls_back(service: Service, standby: str) -> None:
    """The replica stands still: what it does not come to is asked of the other database, past its time."""
    with psycopg.connect(standby, autocommit=True) as asked:
        asked.execute("SELECT pg_wal_replay_pause()")
        try:
            position = int(service.glasses(_start("ahead")).headers["hookfold-position"])
            assert service.get("/v1/sessions?limit=1")["data"][0]["position"] < position
            assert service.get("/readyz")["replica"]["lag"] > 0
            assert service.get(f"/v1/sessions?limit=1&min_position={position}")["data"][0]["position"] == position
        finally:
            asked.execute("SELECT pg_wal_replay_resume()")


def _answers_questions(service: Service, reading: Service) -> None:
    assert service.glasses(_start("away")).status == 503
    assert service.send("GET", "/readyz").status == 503
    for one in (service, reading):
        assert len(one.get("/v1/sessions")["data"]) == 6
        assert len(one.get("/v1/events")["data"]) >= 6
    assert reading.get("/readyz")["status"] == "ok"


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _fill(place: Place) -> None:
    """Traffic of every kind: a rejection, a repetition, something that nobody expected."""
    parts = start(place.settings(place.primary))
    with closing(parts), closing(parts.log()) as log:
        client: Any = parts.flask(parts.door(), GroupCommit(log.commit).append).test_client()
        for sequence, event in enumerate(VISIT):
            _visit(client, sequence, event)
        _visit(client, 2, "CAMERA_PERMISSION_GRANTED")
        _send(client, "/in/clinic", {"event": "unsigned"})
        _send(client, "/in/captions", _start("ada"))
        assert _send(client, "/in/captions", REGISTERED).status_code == 200
        action = {"actionId": "act-1", "deviceId": "car-1", "deviceType": "vehicle", "command": "charge.start"}
        body = json.dumps(action | {"completedAt": "2023-11-14T22:00:00Z"}).encode()
        headers = dict(sign_svix(AMPS_SECRET, "msg_1", now() // 1_000_000, body))
        assert client.post("/in/energy", data=body, headers=headers).status_code == 200
        plan = client.post("/v1/replays", json={}).json
        _await(lambda: client.get(f"/v1/replays/{plan['id']}").json["status"] == "planned")
        _await(lambda: all(thread.name != "hookfold-replay" for thread in threading.enumerate()))
        client.get("/v1/audit/checkpoint?fresh=true")


def _visit(client: Any, sequence: int, event: str) -> None:
    stamp = {"timestamp": 1_700_000_000 + sequence, "sessionId": "visit-1", "sequence": sequence, "event": event}
    payload = {"measurementId": "m-1"} if event == "MEASUREMENT_STARTED" else {}
    body = json.dumps(stamp | {"payload": payload}).encode()
    assert client.post("/in/clinic", data=body, headers=dict(sign_wms(WMS_SECRET, body))).status_code == 200


def _send(client: Any, path: str, document: dict[str, Any]) -> Any:
    return client.post(path, data=json.dumps(document).encode())


def _start(user: str) -> dict[str, Any]:
    times = {"timestamp": "2023-11-14T22:00:00.000Z", "mentraOSWebsocketUrl": "wss://cloud.example.com/app-ws"}
    return {"type": "session_request", "sessionId": f"{user}-com.example.captions", "userId": user, **times}


def _asked(client: Any) -> list[str]:
    """Every path that a GET is asked with."""
    return [path for path, methods in client.get("/openapi.json").json["paths"].items() if "get" in methods]


def _named(client: Any, path: str) -> str:
    """With ids in place of their names."""
    kind = path.split("/")[2] if path.startswith("/v1/") else "sessions"
    if "{id}" in path or "{session}" in path:
        query = "?source=clinic" if kind == "sessions" else ""
        name = client.get(f"/v1/{kind}{query}").json["data"][0]["id"]
        return path.replace("{id}", name).replace("{session}", name)
    return path.replace("{position}", "2").replace("{name}", "session").replace("{beginning}", "ses_aaaaaaaa")


def _lasting(answer: Any) -> Any:
    """What does not depend on the time of the question."""
    if answer.mimetype != "application/json":
        return answer.data
    return _without_derived(msgspec.json.decode(answer.data))


def _without_derived(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _without_derived(value) for name, value in told.items() if name not in {"derived", "next_cursor"}}
    return [_without_derived(one) for one in told] if isinstance(told, list) else told


def _events(bundle: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(bundle)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _unasked(_: Any) -> Any:
    raise Unavailable("nothing is appended")
