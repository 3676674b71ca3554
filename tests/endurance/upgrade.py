"""`python -m tests.endurance.upgrade`: an earlier release is upgraded to the code at hand, under load.

Two services of the earlier release over one PostgreSQL database (one over SQLite) are restarted with the code at hand,
one after the other, as docs/operate.md says. Senders, followers and people who ask go on all the while. Exit code 1
where a request failed that no restart cut, an acknowledged delivery is missing or there twice, a follower missed or
doubled a position, a state is not what a fold of the log gives, or `hookfold audit verify` finds anything.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.endurance.recorded_load import Failure, Identity, RecordedLoad
from tests.endurance.release import Release, at_hand, newest_tag, of
from tests.endurance.standing import until
from tests.support.leaks import leaks
from tests.support.postgres import Postgres
from tests.support.run import Run
from tests.support.service import SECRETS, Service, free_port, stop, surroundings
from tests.upgrade.record import KEYS, WHOLE, fill

SLACK = 0.05
"""Seconds around a restart in which a connection may still be cut by it: clocks of threads are read one by one."""
PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/sessions",
    "/v1/sessions?state=completed",
    "/v1/sessions/{session}",
    "/v1/sessions/{session}?known_at=2100-01-01T00:00:00Z",
    "/v1/sessions/{session}/events",
    "/v1/sessions/{session}/timeline",
    "/v1/sessions/{session}/why",
    "/v1/sessions/{session}/runs",
    "/v1/measurements",
    "/v1/actions",
    "/v1/actions?overdue=true",
    "/v1/devices",
    "/v1/registrations",
    "/v1/events",
    "/v1/deliveries",
    "/v1/rejections",
    "/v1/audit/checkpoint",
    "/",
)


class Restart(NamedTuple):
    """When a service was told to stop, and when the next release was ready at its port."""

    port: int
    began: float
    ended: float


class Pair:
    """The services over one database, each at its port; and their surroundings."""

    def __init__(self, release: Release, url: str, folder: Path, number: int) -> None:
        self.env = surroundings(url, folder, WHOLE) | KEYS
        self._folder = folder
        self.services: list[Service] = []
        self.restarts: list[Restart] = []
        for _ in range(number):
            self.services.append(self._started(release, free_port()))

    def restart(self, index: int, release: Release) -> None:
        port, began = self.services[index].port, time.monotonic()
        stop(self.services[index])
        self.services[index] = self._started(release, port)
        self.restarts.append(Restart(port, began, time.monotonic()))

    def cut(self, port: int, began: float, ended: float) -> bool:
        """Whether a restart may have cut a request from then to then."""
        return any(one.port == port and one.began <= ended + SLACK and began <= one.ended for one in self.restarts)

    def told(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("log-*"))

    def close(self) -> None:
        for service in self.services:
            stop(service)

    def _started(self, release: Release, port: int) -> Service:
        return release.start(port, self.env, self._folder / f"log-{port}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.upgrade", description=__doc__)
    parser.add_argument("--from", dest="revision", default=newest_tag(), help="a git revision; default: the newest tag")
    parser.add_argument("--deliveries", type=int, default=2_000, help="acknowledged before the first restart")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    asked = parser.parse_args(arguments)
    if asked.revision is None:
        parser.error("there is no tag: name the release before this one with --from")
    wrong: list[str] = []
    with Run() as run:
        new, old = at_hand(), of(asked.revision, run.folder / "earlier")
        for database in asked.database or ["sqlite", "postgresql"]:
            with tempfile.TemporaryDirectory() as folder, _database(database, Path(folder)) as url:
                pair = Pair(old, url, Path(folder) / "service", 2 if database == "postgresql" else 1)
                wrong += upgrade(database, pair, old, new, asked.deliveries)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


def upgrade(database: str, pair: Pair, old: Release, new: Release, deliveries: int) -> list[str]:
    """What is wrong afterwards."""
    try:
        fill(pair.services[0])
        load = RecordedLoad(pair.services, _answered(pair.services[0]))
        try:
            for index in range(len(pair.services)):
                _await(load, deliveries if index == 0 else deliveries // 10)
                pair.restart(index, new)
                if index == 0 and pair.services[0].get("/readyz")["status"] == "unbuilt":
                    new.typed("replay", "run", env=pair.env).check_returncode()
            _await(load, deliveries // 10)
        finally:
            load.end()
        wrong = [*_refused(pair, load.failures), *_checked(pair.services[0], load)]
    finally:
        pair.close()
    wrong += [f"{' '.join(words)}: {told}" for words in VERIFIED if (told := _faults(new, pair.env, *words))]
    wrong += leaks(pair.told(), SECRETS.values())
    cut = [one for one in load.failures if one.cut]
    broken = len([one for one in cut if not one.what.startswith("ConnectionRefused")])
    sys.stdout.write(
        f"upgrade: {database}: {old.name} ({old.newest_migration()}) to {new.name} ({new.newest_migration()}), "
        f"{len(load.acknowledged)} acknowledged, {sum(map(len, load.followed))} followed, {load.asked} asked, "
        f"restarts of {', '.join(f'{one.ended - one.began:.1f} s' for one in pair.restarts)} refused "
        f"{len(cut) - broken} and broke {broken} requests, {len(wrong)} wrong\n"
    )
    return wrong


VERIFIED = [("replay", "diff"), ("db", "check"), ("audit", "verify")]
"""Commands that find nothing in a log that is whole."""


@contextmanager
def _database(database: str, folder: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{folder}/hookfold.db"
        return
    with Postgres() as postgres, postgres.database() as url:
        yield url


def _answered(service: Service) -> list[str]:
    """The paths that the earlier release has."""
    (session,) = service.get("/v1/sessions?session_id=visit-1")["data"]
    paths = [path.replace("{session}", session["id"]) for path in PATHS]
    return [path for path in paths if service.send("GET", path).status == 200]


def _await(load: RecordedLoad, more: int) -> None:
    before = len(load.acknowledged)
    until(lambda: len(load.acknowledged) >= before + more)


def _refused(pair: Pair, failures: Sequence[Failure]) -> Iterator[str]:
    """Requests that failed otherwise than cut by the restart of their service: each kind once."""
    kinds = Counter(str(one) for one in failures if not (one.cut and pair.cut(one.port, one.began, one.ended)))
    for kind, times in kinds.items():
        yield f"{times} x {kind}"


def _checked(service: Service, load: RecordedLoad) -> Iterator[str]:
    there: dict[Identity, list[int]] = {}
    positions = []
    for event in _events(service):
        positions.append(event["position"])
        identity = (event.get("session_id") or event.get("action_id") or "", event["sequence"])
        there.setdefault(identity, []).append(event["position"])
    for identity, position in load.acknowledged.items():
        if there.get(identity) != [position]:
            yield f"{identity} was acknowledged as {position}, and is {there.get(identity)}"
    for seen in load.followed:
        if seen != positions:
            yield f"a follower saw {len(seen)} positions of {len(positions)}"


def _events(service: Service) -> Iterator[dict[str, Any]]:
    after = 0
    while page := service.get(f"/v1/events?after={after}&limit=100")["data"]:
        yield from page
        after = page[-1]["position"]


def _faults(release: Release, env: Mapping[str, str], *words: str) -> str:
    done = release.typed(*words, env=env)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"[-2000:]


if __name__ == "__main__":
    sys.exit(main())
