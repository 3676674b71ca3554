"""SIGHUP has a running service read its secrets again: nobody is cut off, and what changed is on record."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from adapters.audit import opened
from adapters.config import load
from adapters.providers import sign_wms
from app import commands
from tests.support.logs import wms
from tests.support.service import PATIENCE, Answer, Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

OLD, NEW = "old-secret-0123456789abcdef", "new-secret-0123456789abcdef"
CONFIGURATION = """
[sources.clinic]
provider = "wms"
secrets = {secrets}

[tokens.reader]
secret = "file:token"
scopes = ["read"]
"""
_numbers = count()


class Reloaded:
    """A service with files of secrets beside its configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/hookfold.db"
        self.service: Service

    def write(self, secrets: list[str], token: str = OLD, more: str = "") -> None:
        (self.folder / "old").write_text(OLD)
        (self.folder / "new").write_text(NEW)
        (self.folder / "token").write_text(token)
        (self.folder / "hookfold.toml").write_text(configuration(secrets) + more)

    def hang_up(self) -> None:
        """As `kill -HUP` of a whole group: the processes that it started hear it, too."""
        os.kill(-self.service.process.pid, signal.SIGHUP)

    def deliver(self, secret: str) -> Answer:
        body = json.dumps(wms("s", next(_numbers))).encode()
        return self.service.send("POST", "/in/clinic", body, sign_wms(secret, body))

    def ask(self, path: str, token: str) -> Answer:
        return self.service.send("GET", path, headers={"authorization": f"Bearer {token}"})

    def lines(self, event: str) -> list[dict[str, object]]:
        return [line for line in self._logged() if line["event"] == event]

    def last_lines(self, count: int) -> list[str]:
        """The names of the last ones about a reload."""
        told = [str(line["event"]) for line in self._logged()]
        return [event for event in told if event in {"reloaded", "restart_needed"}][-count:]

    def _logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.service.log.read_text().splitlines() if line.startswith("{")]


def configuration(secrets: list[str]) -> str:
    return CONFIGURATION.format(secrets=json.dumps(secrets))


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reloaded]:
    found = Reloaded(tmp_path_factory.mktemp("reloaded"))
    found.write(["file:old"])
    with running(found.url, found.folder, configuration=configuration(["file:old"])) as found.service:
        yield found


def test_two_secrets_overlap_and_the_old_one_goes_without_a_restart(reloaded: Reloaded):
    before = reloaded.service.children()
    assert reloaded.deliver(NEW).status == 401

    reloaded.write(["file:old", "file:new"])
    reloaded.hang_up()
    until(lambda: reloaded.deliver(NEW).status == 200)
    assert reloaded.deliver(OLD).status == 200
    reloaded.write(["file:new"])
    reloaded.hang_up()
    until(lambda: reloaded.deliver(OLD).status == 401)

    assert reloaded.deliver(NEW).status == 200
    assert reloaded.service.children() == before
    events = reloaded.ask("/v1/events?source=hookfold", OLD).json["data"]
    assert [event["changes"] for event in events] == [
        [{"source": "clinic", "change": "secret_added", "secret": "file:new"}],
        [{"source": "clinic", "change": "secret_removed", "secret": "file:old"}],
    ]
    (rejected, *_) = reloaded.ask("/v1/rejections?source=clinic", OLD).json["data"]
    assert f"the secrets of this source changed at {events[-1]['received_at']}" in rejected["hint"]


def test_a_token_that_was_replaced_opens_nothing_any_more(reloaded: Reloaded):
    reloaded.write(["file:new"], token=NEW)
    reloaded.hang_up()

    until(lambda: reloaded.ask("/v1/sessions", NEW).status == 200)
    assert reloaded.ask("/v1/sessions", OLD).status == 401


def test_what_is_wrong_changes_nothing_and_a_process_started_later_has_the_newest(reloaded: Reloaded):
    reloaded.write(["file:nowhere"], token=NEW)
    reloaded.hang_up()
    until(lambda: bool(reloaded.lines("reload_refused")))
    assert reloaded.deliver(NEW).status == 200

    (serving,) = reloaded.service.children()["server"]
    os.kill(serving, signal.SIGKILL)

    until(lambda: reloaded.service.children()["server"] not in ([], [serving]))
    reloaded.service.await_ready()
    assert reloaded.deliver(NEW).status == 200
    assert reloaded.ask("/v1/sessions", NEW).status == 200


def test_a_signing_key_that_was_rotated_signs_without_a_restart(reloaded: Reloaded):
    reloaded.write(["file:new"], token=NEW)
    reloaded.hang_up()
    until(lambda: reloaded.ask("/v1/sessions", NEW).status == 200)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HOOKFOLD_DATABASE_URL", reloaded.url)
        told = commands().rotate(load(reloaded.folder / "hookfold.toml", os.environ), None)
    assert reloaded.deliver(NEW).status == 200
    assert reloaded.ask("/v1/audit/checkpoint?fresh=true", NEW).status == 503

    reloaded.hang_up()

    until(lambda: reloaded.ask("/v1/audit/key", NEW).body.decode().strip() == str(told.key))
    fresh = reloaded.ask("/v1/audit/checkpoint?fresh=true", NEW).body.decode()
    assert opened(fresh, told.key).size > told.position


def test_what_counts_from_the_next_start_only_is_named(reloaded: Reloaded):
    reloaded.write(["file:new"], token=NEW, more='[sources.captions]\nprovider = "mentraos"\n')
    reloaded.hang_up()

    until(lambda: bool(reloaded.lines("restart_needed")))
    assert reloaded.lines("restart_needed")[-1]["changed"] == ["sources.captions"]
    assert reloaded.last_lines(2) == ["reloaded", "restart_needed"]
    assert reloaded.service.send("POST", "/in/captions", b"{}").status == 404
    assert not any(secret in reloaded.service.log.read_text() for secret in (OLD, NEW))
