"""`make chaos`: a service under load whose processes, and whose PostgreSQL, are killed in random order, for a time.

Exit code 1 where afterwards an acknowledged delivery is missing or there twice, a follower missed or doubled a
position, a state is not what a fresh fold of the log gives, or `hookfold audit verify` finds anything.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.support.logs import wms
from tests.support.postgres import Postgres
from tests.support.run import Run
from tests.support.service import Service, running, surroundings

SENDERS = 4
PATIENCE = 120.0


class Standing:
    """A service that is started anew on its port whenever it was killed."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._stack = ExitStack()
        self.service = self._stack.enter_context(running(url, folder, processes=2))

    def kill(self) -> None:
        """The main process; the others end with it."""
        self.service.process.send_signal(signal.SIGKILL)
        self.service.process.wait()
        until(lambda: not answers(self.service))
        self.service = self._stack.enter_context(running(self._url, self._folder, processes=2, port=self.service.port))

    def close(self) -> None:
        self._stack.close()


class Load:
    """Senders, and a follower, until `end`. `acknowledged`: positions by (session, sequence)."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._done = Event()
        self.acknowledged: dict[tuple[str, int], int] = {}
        self.followed: list[int] = []
        self.wrong: list[str] = []
        work: list[Callable[[], None]] = [self._follow, *(lambda n=n: self._send(f"s{n}") for n in range(SENDERS))]
        self._threads = [Thread(target=one) for one in work]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _send(self, session: str) -> None:
        """Each delivery until it is acknowledged; every hundred are a visit."""
        for number in count():
            visit = f"{session}-{number // 100}"
            while not self._done.is_set():
                if self._sent(visit, number % 100):
                    break
                time.sleep(0.05)
            if self._done.is_set():
                return

    def _sent(self, visit: str, number: int) -> bool:
        with suppress(OSError, HTTPException):
            answer = self._service.wms(wms(visit, number))
            if answer.status == 200:
                self.acknowledged[visit, number] = int(answer.headers["hookfold-position"])
            elif answer.status != 503:
                self.wrong.append(f"a delivery was answered with {answer.status}")
            return answer.status == 200
        return False

    def _follow(self) -> None:
        while not self._done.is_set():
            self.catch_up()
            time.sleep(0.1)

    def catch_up(self) -> bool:
        """One page more; False where nothing came."""
        with suppress(OSError, HTTPException, AssertionError):
            after = self.followed[-1] if self.followed else 0
            page = self._service.get(f"/v1/events?after={after}&limit=100")["data"]
            self.followed += [event["position"] for event in page]
            return bool(page)
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="on each database")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    asked = parser.parse_args(arguments)
    sys.stdout.write(f"chaos: seed {asked.seed}, {asked.seconds:.0f} s on each database\n")
    wrong: list[str] = []
    with Run() as _:
        for database in asked.database or ["sqlite", "postgresql"]:
            wrong += wreak(database, random.Random(asked.seed), asked.seconds)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


def wreak(database: str, chance: random.Random, seconds: float) -> list[str]:
    """What is wrong afterwards."""
    with tempfile.TemporaryDirectory() as folder, _database(database, Path(folder)) as (url, postgres):
        standing = Standing(url, Path(folder) / "service")
        try:
            load, done = Load(standing.service), 0
            until_over = time.monotonic() + seconds
            while time.monotonic() < until_over:
                _act(chance, standing, postgres)
                done += 1
                before = len(load.acknowledged)
                until(lambda before=before: len(load.acknowledged) > before + 20)  # type: ignore[misc]
            load.end()
            wrong = [*load.wrong, *_checked(standing.service, load)]
        finally:
            standing.close()
        wrong += _verified(url, Path(folder) / "service")
    sys.stdout.write(
        f"chaos: {database}: {done} faults, {len(load.acknowledged)} acknowledged, "
        f"{len(load.followed)} followed, {len(wrong)} wrong\n"
    )
    return wrong


@contextmanager
def _database(database: str, folder: Path) -> Iterator[tuple[str, Postgres | None]]:
    if database == "sqlite":
        yield f"sqlite:///{folder}/hookfold.db", None
        return
    with Postgres() as postgres, postgres.database() as url:
        yield url, postgres


def _act(chance: random.Random, standing: Standing, postgres: Postgres | None) -> None:
    faults = ["writer", "server", "main", *(["database"] * (postgres is not None))]
    fault = chance.choice(faults)
    if fault == "main":
        standing.kill()
    elif fault == "database" and postgres is not None:
        postgres.stop()
        time.sleep(chance.random())
        postgres.start()
    else:
        for process in standing.service.children()[fault][: chance.randint(1, 2)]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def _checked(service: Service, load: Load) -> Iterator[str]:
    while load.catch_up():
        pass
    positions = service.positions()
    ours = load.acknowledged.values()
    if lost := {*ours} - {*positions}:
        yield f"acknowledged and lost: {sorted(lost)[:5]}"
    if len({*ours}) != len(ours):
        yield "two deliveries were acknowledged with one position"
    if load.followed != positions:
        yield f"the follower saw {len(load.followed)} positions of {len(positions)}"
    for session in service.get("/v1/sessions?limit=100")["data"]:
        afresh = service.get(f"/v1/sessions/{session['id']}?known_at_position={positions[-1]}")
        names = ("state", "outcome", "events", "anomalies")
        told: list[Any] = [[one[name] for name in names] for one in (session, afresh)]
        if told[0] != told[1]:
            yield f"{session['id']} is {told[0]}, and folded anew {told[1]}"


def _verified(url: str, folder: Path) -> list[str]:
    command = [sys.executable, "-c", "from app import main; main()", "audit", "verify"]
    done = subprocess.run(command, env=surroundings(url, folder), capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"audit verify: {done.stdout}{done.stderr}"]


def answers(service: Service) -> bool:
    try:
        return service.send("GET", "/healthz").status == 200
    except (OSError, HTTPException):
        return False


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the service did not come back")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
