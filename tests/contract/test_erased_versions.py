"""An erased stream under later releases: its last projection is carried over and never folded anew; both databases."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.sql.erasure.erase import Eraser
from adapters.sql.log.own_events import Recorder
from adapters.sql.projections.invalidation import Invalidator
from core.folding import fold
from tests.support.logs import IDS, NOON
from tests.support.releases import Release, changed

ANNA = "anna-com.example.captions"


@pytest.fixture
def old(database_url: str) -> Iterator[Release]:
    release = Release(database_url)
    yield release
    release.close()


@pytest.fixture
def new(database_url: str) -> Iterator[Release]:
    release = Release(database_url, changed())
    yield release
    release.close()


def glasses(kind: str, at: str = "10:00:00") -> dict[str, Any]:
    more = {"reason": "user_disabled"} if kind == "stop_request" else {"websocketUrl": "wss://cloud.example.com/ws"}
    return {"type": kind, "sessionId": ANNA, "userId": "anna", "timestamp": f"2026-01-01T{at}.000Z", **more}


def erase(release: Release) -> None:
    recorder = Recorder(release.append, lambda: NOON, "command line")
    afresh = Invalidator(release.log._dialect, release.code)
    eraser = Eraser(release.engine, release.log, recorder, afresh)
    eraser.erase(eraser.of_streams([IDS.of("session", "captions", ANNA)]), "asked for")


def only(release: Release) -> Any:
    (row,) = release.states("session").values()
    return fold.decode(release.machines["session"], row[-1])


def test_a_later_release_carries_the_erased_over_as_it_was_folded(old: Release, new: Release):
    old.append(old.entry("captions", glasses("session_recovery")))
    erase(old)

    new.rebuild("session")

    assert (only(old).state, only(new).state) == ("recovering", "recovering")
    assert only(new).user_id is None


def test_no_other_version_keeps_what_was_erased(old: Release, new: Release):
    old.append(old.entry("captions", glasses("session_recovery")))
    new.rebuild("session")

    erase(new)

    kept = old.rows("SELECT user_id, snapshot FROM projections")
    assert all(user is None and b"anna" not in bytes(snapshot) for user, snapshot in kept)


def test_what_comes_after_the_erasure_is_folded_by_both_onto_what_is_left(old: Release, new: Release):
    old.append(old.entry("captions", glasses("session_recovery")))
    erase(old)
    new.rebuild("session")

    old.append(old.entry("captions", glasses("stop_request", "11:00:00")))
    new.append(new.entry("captions", glasses("session_request", "12:00:00")))
    old.append(old.entry("captions", glasses("stop_request", "13:00:00")))

    assert (only(old).state, only(old).run, only(old).events) == ("stopped", 2, 4)
