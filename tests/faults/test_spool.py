"""The database goes while a handler is spooled for, and processes are killed between any two steps of that."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.faults.test_database_away import await_
from tests.support.handler import FINE, Handler, handler
from tests.support.house import start
from tests.support.postgres import Postgres
from tests.support.raw import answer_on, connected, request
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

CONFIGURATION = """
[sources.captions]
provider = "mentraos"
mode = "proxy"
forward_to = "{url}"
on_store_failure = "spool"
"""

DEATHS = """
import os, signal
from pathlib import Path
from adapters.server.commits import draining, spool

def die_if(step):
    armed = Path({folder!r}, step)
    if armed.exists():
        armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

def before(step, real):
    def call(*given):
        die_if(step)
        return real(*given)
    return call

def append(segment, frames):
    if Path({folder!r}, "in_the_middle").exists():
        with segment.open("ab") as file:
            file.write(frames[:-10])
    die_if("in_the_middle")
    written(segment, frames)
    die_if("after_sync")

def sync(file):
    if os.readlink(f"/proc/self/fd/{{file}}").endswith(".spool"):
        die_if("before_sync")
    synced(file)

def refused(outcomes):
    told = counted(outcomes)
    die_if("while_draining")
    return told

written, synced, counted = spool._append, os.fsync, draining._refused
spool._append, os.fsync, draining._refused = append, sync, refused
spool.DeliverySpool.remove = before("before_removal", spool.DeliverySpool.remove)
spool.DeliverySpool.set_aside = before("before_removal", spool.DeliverySpool.set_aside)
"""
"""Has a process kill itself at a step for which a file of that name was put there."""


class Database(NamedTuple):
    """One that can be taken away."""

    url: str
    go: Callable[[], None]
    come_back: Callable[[], None]


@contextmanager
def _postgresql() -> Iterator[Database]:
    with Postgres() as server:
        yield Database(server.url(server.create()), server.stop, server.start)


@contextmanager
def _sqlite(folder: Path) -> Iterator[Database]:
    file, away = folder / "data" / "hookfold.db", folder / "away"
    file.parent.mkdir()
    away.mkdir()

    def move(source: Path, to: Path) -> None:
        for one in list(source.glob("hookfold.db*")):
            one.rename(to / one.name)

    yield Database(f"sqlite:///{file}", lambda: move(file.parent, away), lambda: move(away, file.parent))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with _sqlite(tmp_path) if request.param == "sqlite" else _postgresql() as made:
        yield made


def body(number: int) -> bytes:
    return json.dumps(start(f"u{number}", at=f"22:00:{number:02}")).encode()


def test_no_death_loses_or_doubles_what_a_handler_got_while_the_database_was_away(database: Database, tmp_path: Path):
    steps = tmp_path / "steps"
    steps.mkdir()
    before = DEATHS.format(folder=str(steps))
    with handler() as behind:
        made = CONFIGURATION.format(url=behind.url)
        with running(database.url, tmp_path / "service", configuration=made, before=before) as first:
            assert _deliver(first, 0) == 200
            behind.next()
            await_(lambda: _types(first) == ["session_request", "handler_succeeded"])  # or that would be spooled
            database.go()

            for step in ("in_the_middle", "before_sync", "after_sync"):
                (steps / step).touch()
                assert _deliver(first, 1) == 0
                assert not (steps / step).exists()
                await_(lambda: _health(first) == 200)
            assert behind.heard.empty()
            _kill_while_the_handler_answers(first, behind)
            assert [_deliver(first, number) for number in range(3, 9)] == [200] * 6
            told = first.send("GET", "/readyz")
            held = _gauge(first, "bytes")
            heard = [behind.next() for _ in range(6)]
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            await_(lambda: not first.children()["server"] and _health(first) == 0)

        database.come_back()
        for step in ("while_draining", "before_removal"):
            (steps / step).touch()
        with running(database.url, tmp_path / "service", configuration=made, before=before) as second:
            await_(lambda: not any(steps.iterdir()) and _gauge(second, "bytes") == 0)
            again = second.send("POST", "/in/captions/webhook", body(9))
            events = _events(second)
            repeated = second.get("/v1/deliveries?limit=100")["data"]
            aside = _gauge(second, "set_aside")
            _go_and_come_back(second, database, behind)

    requests = [one for one in events if one["type"] == "session_request"]
    assert (told.status, "captions: " in told.json["detail"], held > 0) == (503, True, True)
    assert {one.headers[b"hookfold-verdict"] for one in heard} == {b"spooled"}
    assert all(b"hookfold-position" not in one.headers for one in heard)
    assert [one["session_id"] for one in requests] == [f"u{n}-com.example.captions" for n in range(10)]
    assert [one["received_at"] for one in requests] == sorted(one["received_at"] for one in requests)
    assert again.status == 200
    assert [one["verdict"] for one in repeated if one["verdict"] != "new"] == ["duplicate"]
    assert [one["data"].get("verdict") for one in events].count("spooled") == 6
    assert aside == 1


def _go_and_come_back(service: Service, database: Database, behind: Handler) -> None:
    """Of a service that goes on meanwhile."""
    while not behind.heard.empty():
        behind.next()
    database.go()
    assert _deliver(service, 10) == 200
    database.come_back()
    await_(lambda: _gauge(service, "bytes") == 0)
    assert _deliver(service, 11) == 200
    verdicts = [behind.next().headers[b"hookfold-verdict"] for _ in range(2)]
    assert verdicts == [b"spooled", b"new"]


def _types(service: Service) -> list[str]:
    return [one["type"] for one in service.get("/v1/events?limit=100&source=captions")["data"]]


def _events(service: Service) -> list[Any]:
    listed = service.get("/v1/events?limit=100&source=captions")["data"]
    return [service.get(f"/v1/events/{one['position']}") for one in listed]


def _kill_while_the_handler_answers(service: Service, behind: Handler) -> None:
    behind.answer = behind.hang
    with connected(service.port) as sender:
        sender.sendall(request("/in/captions/webhook", body(2)))
        behind.next()
        os.kill(service.children()["server"][0], signal.SIGKILL)
        assert answer_on(sender).status == 0
    behind.answer = FINE
    await_(lambda: _health(service) == 200)


def _deliver(service: Service, number: int) -> int:
    """The status that a webhook is answered with; 0 where nobody answers."""
    with suppress(OSError, HTTPException):
        return service.send("POST", "/in/captions/webhook", body(number)).status
    return 0


def _health(service: Service) -> int:
    with suppress(OSError, HTTPException):
        return service.send("GET", "/healthz").status
    return 0


def _gauge(service: Service, name: str) -> float:
    found = re.search(rf'^hookfold_spool_{name}{{source="captions"}} (\S+)$', service.metrics(), re.MULTILINE)
    return float(found[1]) if found else -1.0
