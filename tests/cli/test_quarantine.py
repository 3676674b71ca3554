"""`hookfold quarantine release`: what was turned away for a wrong secret is an event once that is corrected."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import Settings, load, write_template
from adapters.providers import sign_svix, sign_wms
from adapters.sql import Entry, Rejection, open_engine
from adapters.sql.quarantine.quarantine import Quarantine
from tests.support.house import pushed, wms
from wiring.opening import open_components

Run = Callable[..., Result]
RIGHT, WMS_RIGHT = "whsec_" + "cmlnaHQh" * 4, "the-right-secret-of-wms"


@pytest.fixture
def settings(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", database_url)
    write_template(elsewhere / "hookfold.toml")
    return load(None, os.environ)


@pytest.fixture
def run() -> Run:
    line = command_line(app.commands())
    return lambda *words: CliRunner().invoke(line, ["quarantine", "release", *words, "--json"])


def receive(settings: Settings, *deliveries: tuple[str, dict[str, str], bytes]) -> list[str]:
    """What became of each at the door."""
    parts = open_components(settings)
    log, door = parts.log(), parts.door()
    items = [door.receive(source, list(headers.items()), body) for source, headers, body in deliveries]
    verdicts = [receipt.verdict for receipt in log.append(items)]
    log.close()
    parts.engine.dispose()
    return verdicts


def scan(number: int, size: int = 0) -> tuple[str, dict[str, str], bytes]:
    body = json.dumps(wms("s", number, text="x" * size)).encode()
    return "clinic", sign_wms(WMS_RIGHT, body), body


def rows(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(sql)]
    engine.dispose()
    return found


def test_what_holds_now_is_taken_with_its_original_arrival(settings: Settings, run: Run, elsewhere: Path):
    at, late = int(time.time()), int(time.time()) - 4_000
    body = json.dumps(pushed("a")).encode()
    fine = ("energy", sign_svix(RIGHT, "msg_1", at, body), body)
    stale = ("energy", sign_svix(RIGHT, "msg_2", late, body), body)
    forged = ("energy", sign_svix("whsec_" + "Zm9yZ2Vk" * 4, "msg_3", at, body), body)
    assert receive(settings, fine, stale, forged, scan(0), scan(1, 40_000)) == ["rejected"] * 5
    arrived = rows(settings, "SELECT received_at FROM deliveries WHERE source = 'clinic' ORDER BY delivery")
    before = run()
    (elsewhere / "var/energy.secret").write_text(RIGHT)
    (elsewhere / "var/clinic.secret").write_text(WMS_RIGHT)
    assert receive(load(None, os.environ), scan(0)) == ["new"]

    shown = run("--dry-run")
    told = CliRunner().invoke(command_line(app.commands()), ["quarantine", "release", "--dry-run"]).stdout
    released = run()
    again = run()

    counts = {"looked_at": 3, "cut": 0, "new": 0, "known": 0}
    assert json.loads(before.stdout)["sources"]["energy"] == counts | {"reasons": {"signature_mismatch": counts}}
    assert json.loads(shown.stdout)["sources"]["clinic"]["new"] == 2
    assert (
        "clinic: of 2 rejections 2 would be taken; 0 are kept in part only\n"
        "  signature_mismatch: of 2 rejections 2 would be taken; 0 are kept in part only\n"
    ) in told
    done = json.loads(released.stdout)["sources"]
    energy, clinic = counts | {"new": 1}, {"looked_at": 2, "cut": 0, "new": 1, "known": 1}
    assert done["energy"] == energy | {"reasons": {"signature_mismatch": energy}}
    assert done["clinic"] == clinic | {"reasons": {"signature_mismatch": clinic}}
    assert json.loads(again.stdout)["sources"]["clinic"]["looked_at"] == 0
    events = rows(settings, "SELECT source, received_at FROM events WHERE source <> 'hookfold' ORDER BY position")
    assert [source for source, _ in events] == ["clinic", "clinic", "energy"]
    assert events[1][1] == arrived[1][0]
    assert rows(settings, "SELECT count(*) FROM deliveries WHERE verdict = 'rejected'") == [(2,)]
    assert rows(settings, "SELECT source, times FROM rejections ORDER BY source") == [("clinic", 2), ("energy", 1)]
    assert (
        rows(settings, "SELECT type FROM events WHERE source = 'hookfold' AND type = 'released'") == [("released",)] * 2
    )


def test_one_source_is_released_alone_and_what_is_relayed_is_delivered_too(
    settings: Settings, run: Run, elsewhere: Path
):
    relayed = 'mode = "relay"\nforward_to = "http://127.0.0.1:9"'
    settings.path.write_text(settings.path.read_text().replace('overdue_after = "10m"', relayed))
    body = json.dumps(pushed("a")).encode()
    action = ("energy", sign_svix(RIGHT, "msg_1", int(time.time()), body), body)
    receive(load(None, os.environ), action, scan(0))
    (elsewhere / "var/energy.secret").write_text(RIGHT)
    (elsewhere / "var/clinic.secret").write_text(WMS_RIGHT)

    clinic = json.loads(run("--source", "clinic").stdout)["sources"]
    waiting = rows(settings, "SELECT source FROM relays")
    rest = json.loads(run().stdout)["sources"]

    assert (list(clinic), clinic["clinic"]["new"], waiting) == (["clinic"], 1, [])
    assert rest["energy"]["new"] == 1
    assert rows(settings, "SELECT r.source, e.type FROM relays r JOIN events e ON e.position = r.position") == [
        ("energy", "push.completed")
    ]


def test_a_release_that_is_ended_goes_on_where_it_was(
    settings: Settings, run: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    receive(settings, scan(0), scan(1), scan(2))
    (elsewhere / "var/clinic.secret").write_text(WMS_RIGHT)
    take = Quarantine._take

    def ended(self: Quarantine, source: str, delivery: int, entry: Entry) -> str | None:
        if delivery == 2:
            raise KeyboardInterrupt
        return take(self, source, delivery, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Quarantine, "_take", ended)
        assert run().exit_code == 1
    taken = rows(settings, "SELECT source, type FROM events WHERE source = 'clinic' OR type = 'released'")
    released = run()

    assert taken == [("clinic", "WMS_LOADED"), ("hookfold", "released")]
    assert json.loads(released.stdout)["sources"]["clinic"]["new"] == 2
    assert rows(settings, "SELECT sequence FROM events WHERE source = 'clinic' ORDER BY position") == [(0,), (1,), (2,)]
    assert rows(settings, "SELECT count(*) FROM deliveries WHERE verdict = 'rejected'") == [(0,)]


def test_the_number_of_a_released_rejection_is_never_given_again(settings: Settings, run: Run, elsewhere: Path):
    assert receive(settings, scan(0), scan(1)) == ["rejected"] * 2
    (elsewhere / "var/clinic.secret").write_text(WMS_RIGHT)
    released = run()

    parts = open_components(load(None, os.environ))
    log = parts.log()
    for number in (2, 3):  # which leaves this writer alone: it sends the next batches ahead
        headers, body = scan(number)[1:]
        log.append([parts.door().receive("clinic", list(headers.items()), body)])
    for _ in range(2):
        log.append([Rejection("clinic", 1, [], b"", 0, 401, "signature_missing")])
    log.close()
    parts.engine.dispose()

    assert json.loads(released.stdout)["sources"]["clinic"]["new"] == 2
    assert rows(settings, "SELECT delivery FROM deliveries ORDER BY delivery") == [(3,), (4,)]


def test_older_bodies_are_cut_where_all_of_them_have_become_too_large(settings: Settings, run: Run, monkeypatch):
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 100_000)
    parts = open_components(settings)
    log = parts.log()
    log.append([Rejection("clinic", 1, [], b"x" * 40_000, 40_000, 401, "signature_mismatch")])
    for _ in range(3):
        log.append([Rejection("clinic", 1, [], b"x" * 40_000, 40_000, 401, "signature_mismatch")])
    log.close()
    parts.engine.dispose()

    released = run()

    counts = {"looked_at": 4, "cut": 2, "new": 0, "known": 0}
    assert json.loads(released.stdout)["sources"]["clinic"] == counts | {"reasons": {"signature_mismatch": counts}}
    sizes = rows(settings, "SELECT length(body) FROM deliveries ORDER BY delivery")
    assert sizes == [(4_096,), (4_096,), (40_000,), (40_000,)]
