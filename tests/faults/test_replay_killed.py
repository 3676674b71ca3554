"""A rebuild that is killed three times while deliveries go on: no request fails, and the states are those of a fold.

`HOOKFOLD_REPLAY_EVENTS=100000` makes the log as large as the promise says; less of it shows the same in seconds.
"""

import os
import select
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from adapters.config import load
from adapters.sql import Entry, Status, spare_cores, to_event
from core.folding import fold
from tests.support.launcher import Launched, launch
from tests.support.logs import wms
from tests.support.service import FRONTS, Service, running, surroundings
from wiring.components import Components
from wiring.opening import open_components

EVENTS = int(os.environ.get("HOOKFOLD_REPLAY_EVENTS", "6000"))
RATE = 100
SENDERS = 4
STEPS = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]
KILLED_AT = (0.1, 0.4, 0.7)
"""Shares of the build at which its process is killed."""


@dataclass
class Sending:
    """Deliveries at a steady rate, half of them to each service; some go to sessions that the rebuild has folded."""

    services: list[Service]
    statuses: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    answered: threading.Condition = field(default_factory=threading.Condition)

    def go_on(self, count: int) -> None:
        """Waits until so many more are answered."""
        with self.answered:
            wanted = len(self.positions) + count
            assert self.answered.wait_for(lambda: len(self.positions) >= wanted, 60)

    def run(self, sender: int) -> None:
        number, due = 0, time.monotonic()
        while not self.stopped.wait(max(0, due - time.monotonic())):
            due += SENDERS / RATE
            session = f"old{(number * SENDERS + sender) % 1_000}" if number % 2 else f"new{sender}-{number // 10}"
            document = wms(session, 10 + number, "INTERMEDIATE_RESULTS", at=10_000 + 7 * number, measurementId="m1")
            answer = self.services[number % 2].wms(document)
            with self.answered:
                self.statuses.append(answer.status)
                self.positions.append(int(answer.headers["hookfold-position"]))
                self.answered.notify_all()
            number += 1


@pytest.fixture
def parts(database_url: str, tmp_path: Path) -> Iterator[Components]:
    """A log with many events of many sessions, and what a process of the service has."""
    parts = open_components(load(None, surroundings(database_url, tmp_path / "service")))
    _fill(parts)
    yield parts
    parts.engine.dispose()


def test_a_rebuild_killed_three_times_under_load_misses_nothing(parts: Components, database_url: str, tmp_path: Path):
    folder = tmp_path / "service"
    with running(database_url, folder) as one, running(database_url, folder) as other:
        sending = Sending([one, other])
        senders = [threading.Thread(target=sending.run, args=(number,)) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            attempts = [_killed(parts, database_url, folder, share) for share in KILLED_AT]
            with (folder / "replay").open("wb") as log:
                code = _replay(database_url, folder, log).wait()
            sending.go_on(2 * SENDERS)  # behind the switch, too: of these each sender began one there
        finally:
            sending.stopped.set()
            for sender in senders:
                sender.join()
        listed = one.get("/v1/sessions?limit=1")["data"]

    assert code == 0, (folder / "replay").read_text()
    assert all(killed for killed, _ in attempts), "a rebuild was over before it could be killed"
    assert any(helpers for _, helpers in attempts) or spare_cores() == 0, "no rebuild had help"
    assert set(sending.statuses) == {200}
    assert len(sending.positions) == len(set(sending.positions))
    assert _positions(parts) >= set(sending.positions)
    assert listed
    assert _serving(parts).endswith("-2")
    assert _stored(parts) == _folded(parts)


def _fill(parts: Components) -> None:
    log, provider = parts.log(), parts.providers["clinic"]
    entries: list[Any] = []
    for number in range(EVENTS):
        session, at = divmod(number, len(STEPS))
        body = wms_bytes(wms(f"old{session}", at, STEPS[at]))
        reading: Any = provider.read(body)
        identity = provider.identity([], body, reading)
        entries.append(Entry("clinic", reading.occurred_at, [], body, "env:WMS_SECRET", identity, reading, True))
        if len(entries) == 2_000 or number == EVENTS - 1:
            log.append(entries)
            entries = []
    log.close()


def wms_bytes(document: dict[str, Any]) -> bytes:
    import json

    return json.dumps(document).encode()


def _killed(parts: Components, url: str, folder: Path, share: float) -> tuple[bool, set[int]]:
    """Starts a rebuild, and kills it when it has folded so much of the log; whether it was still at work, who helped.

    Who helped it ends, too.
    """
    helpers: set[int] = set()
    with (folder / "killed").open("wb") as log:
        process = _replay(url, folder, log)
    while process.poll() is None and _built(parts.replay().status()) < share * EVENTS / len(STEPS):
        helpers |= _children(process.pid)
        time.sleep(0.02)
    helpers |= _children(process.pid)
    process.send_signal(signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    _await_end(helpers)
    return killed, helpers


def _children(pid: int) -> set[int]:
    try:
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    except OSError:  # it has ended, or this is not Linux
        return set()


def _await_end(pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            ended, _, _ = select.select([process], [], [], 10)
            os.close(process)
            assert ended, "a helper outlives the rebuild that it helped"


def _built(status: Status) -> int:
    return sum(one.folded for one in status.versions if one.status == "building" and one.machine == "measurement")


def _replay(url: str, folder: Path, log: IO[bytes]) -> Launched:
    return launch(FRONTS["serve"], ["replay", "--machine", "measurement"], surroundings(url, folder), log)


def _serving(parts: Components) -> str:
    (version,) = [
        one.version
        for one in parts.replay().status().versions
        if one.machine == "measurement" and one.status == "serving"
    ]
    return version


def _positions(parts: Components) -> set[int]:
    with parts.engine.connect() as connection:
        return set(connection.exec_driver_sql("SELECT position FROM events").scalars())


def _stored(parts: Components) -> dict[str, bytes]:
    version = _serving(parts)
    with parts.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT stream, snapshot FROM projections WHERE fingerprint = '{version}'")
        return {stream: bytes(snapshot) for stream, snapshot in rows}


def _folded(parts: Components) -> dict[str, bytes]:
    """Every session folded here, from nothing but the events and their bodies."""
    read, streams = parts.sources["clinic"].read, defaultdict(list)
    with parts.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT e.stream, e.position, e.key, e.type, e.received_at, e.verified_by, p.body FROM events e "
            "JOIN payloads p ON p.source = e.source AND p.position = e.position WHERE e.source = 'clinic'"
        )
        for stream, *stored in rows:
            streams[stream].append(to_event(*stored, read=read))
    kind = fold.MACHINES["measurement"]
    return {stream: fold.encode(fold.fold(kind, events)) for stream, events in streams.items()}
