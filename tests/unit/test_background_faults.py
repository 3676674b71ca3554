"""What works in a thread tells of a fault by its kind and place; its words may be somebody's data."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import OperationalError
from structlog.testing import capture_logs
from structlog.typing import EventDict

from adapters.audit import Sealer
from adapters.sql import BackgroundFolding, FaultLog, Presence
from tests.support.house import House


class Faults:
    """Raises each time that it is called, with one of the words; `twice` is set by the second one."""

    def __init__(self, kind: type[Exception] = ValueError, words: Sequence[str] = ("ann@example.com",)) -> None:
        self.twice = Event()
        self._kind, self._words = kind, cycle(words)
        self._calls = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self._calls += 1
        if self._calls == 2:
            self.twice.set()
        raise self._kind(next(self._words))


@pytest.fixture
def house(sqlite_url: str) -> Iterator[House]:
    made = House(sqlite_url)
    yield made
    made.close()


def folding(house: House, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("adapters.sql.long_streams.background.LongStreams.fold_all", faults)
    return BackgroundFolding(house.engine, house.code, tick=0.001)


def registering(house: House, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("adapters.sql.service.presence.note", faults)
    monkeypatch.setattr("adapters.sql.service.presence.EVERY", 0.001)
    return Presence(house.engine, "1.0", {}, lambda: 1)


def sealing(_: House, faults: Faults, __: pytest.MonkeyPatch) -> Any:
    signer: Any = SimpleNamespace(newest=faults)
    return Sealer(signer, 0, tick=0.001)


@pytest.mark.parametrize(
    ("start", "name"), [(folding, "folding_failed"), (registering, "not_registered"), (sealing, "sealing_failed")]
)
def test_a_fault_in_a_thread_is_logged_without_its_words(
    house: House, start: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
):
    faults = Faults()

    with capture_logs() as lines:
        work = start(house, faults, monkeypatch)
        faults.twice.wait()
        work.close()

    told: EventDict = lines[0]
    expected = {"event": name, "log_level": "error", "reason": "ValueError", "exc_info": True}
    assert told == (expected if name == "not_registered" else expected | {"count": 1})


@pytest.mark.parametrize(("start", "name"), [(folding, "folding_failed"), (sealing, "sealing_failed")])
def test_a_database_that_is_away_is_one_warning_without_frames(
    house: House, start: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
):
    faults = Faults(OperationalError, ("connection refused", "shutting down"))

    with capture_logs() as lines:
        work = start(house, faults, monkeypatch)
        faults.twice.wait()
        work.close()

    reason = "OperationalError: connection refused"
    assert lines == [{"event": name, "log_level": "warning", "reason": reason, "count": 1}]


def test_a_line_a_minute_says_for_how_many_faults_it_stands(monkeypatch: pytest.MonkeyPatch):
    times = iter((1.0, 1.0, 2.0, 60.0, 61.0, 61.0, 61.0, 61.0))
    monkeypatch.setattr("adapters.sql.database.fault_log.monotonic", lambda: next(times))
    faults = FaultLog("folding_failed")

    with capture_logs() as lines:
        for _ in range(4):
            faults.tell(OperationalError("connection refused"))
        faults.tell(ValueError())

    assert [(line["reason"].partition(":")[0], line["count"]) for line in lines] == [
        ("OperationalError", 1),
        ("OperationalError", 3),
        ("ValueError", 1),
    ]
