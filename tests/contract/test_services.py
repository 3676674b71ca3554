"""Services register in their database, so that a switch can tell which of them answer with what."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from adapters.sql import Presence, Replay
from adapters.sql.projections.services import ALIVE, KEPT, RegisteredService, note
from core.folding import fold
from tests.support.house import start as start_of
from tests.support.logs import NOON
from tests.support.releases import Release, changed

Start = Callable[..., Release]


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    with ExitStack() as opened:

        def begin(machines: Any = fold.MACHINES) -> Release:
            release = Release(database_url, machines)
            opened.callback(release.close)
            return release

        yield begin


def registered(release: Release, name: str, number: str, **more: Any) -> None:
    code = {machine: kind.fingerprint for machine, kind in release.machines.items()}
    given: dict[str, Any] = {"release": number, "code": code, "started_at": NOON, "seen_at": NOON} | more
    replay = replay_of(release)
    with replay._transactions.turn() as cursor:
        note(cursor, replay._dialect, RegisteredService(name=name, **given))


def replay_of(release: Release, now: int = NOON) -> Replay:
    return Replay(release.engine, release.code, lambda: now)


def answers(release: Release, **more: Any) -> dict[str, tuple[bool, list[str]]]:
    found = replay_of(release, **more).answering()
    return {one.service: (one.serves, one.releases) for one in found if one.machine == "session"}


def test_a_switch_is_told_with_who_answers_with_what(start: Start):
    old, new = start(), start(changed())
    registered(old, "1@a", "1.0")
    registered(new, "2@a", "2.0")
    old.append(old.entry("captions", start_of("ada@example.com")))

    assert answers(old) == {"1@a": (True, ["1.0"]), "2@a": (False, ["1.0"])}

    new.rebuild("session")

    assert answers(old) == {"1@a": (False, ["2.0"]), "2@a": (True, ["2.0"])}


def test_who_is_dead_answers_nothing_but_its_release_is_still_known(start: Start):
    old, new = start(), start(changed())
    registered(old, "1@a", "1.0")
    registered(new, "2@a", "2.0", ended_at=NOON + 1)
    registered(new, "3@a", "2.0", seen_at=NOON - ALIVE - 1)
    new.rebuild("session")

    assert answers(old) == {"1@a": (False, ["2.0"])}
    assert answers(old, now=NOON + ALIVE + 1) == {}


def test_the_services_on_record_are_bounded(start: Start):
    release = start()
    for number in range(KEPT + 3):
        registered(release, f"{number}@a", "1.0", seen_at=NOON + number)

    rows = release.rows("SELECT name FROM services")

    assert (len(rows), ("0@a",) in [tuple(row) for row in rows]) == (KEPT + 1, False)


def test_a_service_is_there_while_it_runs(start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.service.presence.EVERY", 0.01)
    release = start()
    ticks = iter(range(NOON, NOON + 10**9, 1_000))
    with closing(Presence(release.engine, "1.0", release.machines, lambda: next(ticks))):
        while (found := replay_of(release).status().services) == [] or found[0].seen_at < NOON + 5_000:
            pass
        alive = found[0].is_alive(NOON + 10_000)
    (ended,) = replay_of(release).status().services

    assert (alive, ended.is_alive(NOON)) == (True, False)
    assert (ended.release, ended.started_at, set(ended.code)) == ("1.0", NOON, set(fold.MACHINES))
