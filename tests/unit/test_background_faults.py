"""What works in a thread tells of a fault by its kind and place; its words may be somebody's data."""

from collections.abc import Callable, Iterator
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from adapters.audit import Sealer
from adapters.sql import BackgroundFolding, Presence
from tests.support.house import House


class Faults:
    """Raises with somebody's address in its words, each time that it is called; `twice` is set by the second one."""

    def __init__(self) -> None:
        self.twice = Event()
        self._calls = 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self._calls += 1
        if self._calls == 2:
            self.twice.set()
        raise ValueError("ann@example.com")


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
    assert told == {"event": name, "log_level": "error", "reason": "ValueError", "exc_info": True}
