"""Records a log of the code at hand for the tests of upgrades: `python -m tests.upgrade.record [FOLDER OF THE CODE]`.

Run it before a migration is added: the log is that of the newest revision until then. A service of that code receives
what senders send; an event is erased, one retracted, a checkpoint made. What every table holds, and what the service
answered, is kept in logs/REVISION.json.gz; every text in it was made up for this.

The code of 0007 wrote what an app tells of an action under another name than all code before and behind it, for twenty
minutes of development. Its log was recorded with that one word mended.
"""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.service import CONFIGURATION, SECRETS, Answer, Service, running

LOGS = Path(__file__).with_name("logs")
KEYS = {"SERVICE_SECRET": "5e" * 32, "SIGNING_KEY": "1d" * 32}
SERVICE = '[service]\nsecret = "env:SERVICE_SECRET"\nsigning_key = "env:SIGNING_KEY"\norigin = "log.example.com"\n'
WHOLE = SERVICE + CONFIGURATION
ASKED = {
    "sessions": "session_id source state outcome run user_id",
    "measurements": "measurement_id source outcome",
    "actions": "action_id source state",
    "devices": "device_id source state",
    "registrations": "registration_id source state",
}
"""What is compared of each list."""

M = {"measurementId": "m-1"}
STEPS: list[tuple[int, str, dict[str, Any]]] = [
    (0, "WMS_LOADED", {}),
    (1, "CONFIGURATION_LOADED", {}),
    (2, "CAMERA_PERMISSION_GRANTED", {}),
    (3, "CAMERA_STARTED", {}),
    (4, "MEASUREMENT_STARTED", {}),
    (5, "MEASUREMENT_CREATED", M),
    (7, "INTERMEDIATE_RESULTS", M | {"snr": 3.5}),
    (6, "INTERMEDIATE_RESULTS", M | {"snr": 2.5}),
    (8, "SCAN_COMPLETED", M),
    (9, "RESULTS_RECEIVED", M),
    (10, "NEVER_HEARD_OF", {}),
    (11, "PAGE_UNLOADED", {}),
]
USER = "ada@example.com"
REGISTRATION = {
    "type": "server_registration",
    "sessionId": "registration-1",
    "userId": "system",
    "timestamp": "2023-11-14T22:00:00Z",
    "registrationId": "r-1",
    "packageName": "com.example.captions",
    "serverUrls": ["https://app.example.com/webhook"],
}


def step(session: str, number: int, event: str, payload: dict[str, Any], at: int = 1_700_000_000) -> dict[str, Any]:
    """A document of WMS."""
    return {"timestamp": at + number, "sessionId": session, "sequence": number, "event": event, "payload": payload}


def glasses(kind: str, at: str, **more: Any) -> dict[str, Any]:
    """A document of MentraOS."""
    session = f"{USER}-com.example.captions"
    return {"type": kind, "sessionId": session, "userId": USER, "timestamp": f"2023-11-14T{at}.000Z"} | more


def pushed(action: str, **more: Any) -> dict[str, Any]:
    """A document of Amps about an action that completed."""
    about = {"actionId": action, "deviceId": "car-1", "deviceType": "vehicle", "command": "charge.start"}
    return about | {"parameters": {}, "result": {"ok": True}, "completedAt": "2023-11-14T22:00:00Z"} | more


def fill(service: Service) -> None:
    """What senders send, in disorder, twice, and wrong."""
    for number, event, payload in STEPS:
        taken(service.wms(step("visit-1", number, event, payload)))
    for at in (1_700_000_000, 1_700_000_060):
        for number in (0, 1):
            taken(service.wms(step("visit-2", number, STEPS[number][1], {}, at)))
    for number in (0, 1, 3):
        taken(service.wms(step("visit-3", number, STEPS[number][1], {})))
    taken(service.wms(step("visit-gone", 0, "WMS_LOADED", {})))
    taken(service.wms(step("visit-1", 0, "WMS_LOADED", {})), "duplicate")
    taken(service.wms(b"no JSON at all"))
    service.send("POST", "/in/clinic", b"{}", {"WMS-Signature": "wrong"})
    taken(service.amps(pushed("a-1"), "msg_1"))
    taken(service.amps(pushed("a-1", result={"ok": False}), "msg_1"), "conflict")
    told = {"source": "energy", "action_id": "a-2", "state": "acknowledged", "occurred_at": "2023-11-14T22:00:00Z"}
    headers = {"Idempotency-Key": "k-1", "Content-Type": "application/json"}
    assert service.send("POST", "/v1/actions", json.dumps(told).encode(), headers).status in (200, 201)
    for second in range(24):
        taken(service.glasses(glasses("session_request", f"22:00:{second:02}")))
    taken(service.glasses(glasses("stop_request", "22:30:00", reason="user_disabled")))
    taken(service.glasses(glasses("session_request", "23:00:00"), "older"))
    taken(service.glasses(REGISTRATION))


def taken(answer: Answer, verdict: str = "new") -> None:
    assert (answer.status, answer.headers["hookfold-verdict"]) == (200, verdict), answer


def answers(service: Service) -> dict[str, Any]:
    """What the service tells of every stream, sorted."""
    return {name: compared(name, service.get(f"/v1/{name}?limit=100")["data"]) for name in ASKED}


def compared(name: str, rows: list[dict[str, Any]]) -> list[list[Any]]:
    """Of each row what the next release has to tell alike."""
    return sorted(([row.get(field) for field in ASKED[name].split()] for row in rows), key=str)


def typed(*words: str, env: dict[str, str]) -> None:
    subprocess.run([sys.executable, "-c", "from app import main; main()", *words], env=env, check=True)


def dumped(database: Path) -> dict[str, Any]:
    """Every table with its columns and rows."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        found = {}
        for (name,) in names.fetchall():
            rows = connection.execute(f"SELECT * FROM {name}")
            columns = [column[0] for column in rows.description]
            found[name] = [columns, [[_plain(value) for value in row] for row in rows]]
    connection.close()
    return found


def _plain(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def main() -> None:
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ".")
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as folder:
        database, url = Path(folder, "log.db"), f"sqlite:///{folder}/log.db"
        with running(url, Path(folder), configuration=WHOLE) as service:
            fill(service)
            (gone,) = service.get("/v1/sessions?session_id=visit-gone")["data"]
            (lied,) = service.get("/v1/sessions?session_id=visit-3")["data"]
            (event, *_) = service.get(f"/v1/sessions/{lied['id']}/events")["data"]
            env = os.environ | SECRETS | {"HOOKFOLD_CONFIG": f"{folder}/hookfold.toml", "HOOKFOLD_DATABASE_URL": url}
            typed("audit", "erase", "--session", gone["id"], "--reason", "asked for", "--yes", env=env)
            typed("audit", "retract", str(event["position"]), "--reason", "a lie", env=env)
            typed("audit", "checkpoint", env=env)
            told = answers(service)
        tables = dumped(database)
    ((revision,),) = tables.pop("alembic_version")[1]
    held = json.dumps({"told": told, "tables": tables}, separators=(",", ":")).encode()
    LOGS.joinpath(f"{revision}.json.gz").write_bytes(gzip.compress(held, mtime=0))


if __name__ == "__main__":
    main()
