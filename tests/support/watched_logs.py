"""Every line that the tests' own process logs is looked through, whoever captures it: it may tell no more than one of
a service."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.typing import EventDict

from tests.support.leaks import leaks

_leaked: list[str] = []


class WatchedLogger(structlog.make_filtering_bound_logger(logging.NOTSET)):  # type: ignore[misc]  # made at run time
    """Sees a line before any processor does, so that `capture_logs` hides none."""

    def _process_event(self, method_name: str, event: str | None, event_kw: dict[str, Any]) -> Any:
        _look(self._context | event_kw | {"event": event})
        return super()._process_event(method_name, event, event_kw)


class WatchingHandler(logging.Handler):
    """Sees what libraries log, as far as a service would tell it."""

    def emit(self, record: logging.LogRecord) -> None:
        _look({"event": record.getMessage()})


def watch_logs() -> None:
    """For this process."""
    structlog.configure(
        wrapper_class=WatchedLogger,
        cache_logger_on_first_use=False,  # or `create_app` would set where the lines of this process go
    )
    logging.getLogger().addHandler(WatchingHandler(logging.WARNING))


@contextmanager
def no_leak() -> Iterator[None]:
    """Fails where a line was logged that tells what it may not."""
    yield
    found = _leaked.copy()
    _leaked.clear()
    assert found == [], f"a log line tells what it may not: {found}"


def _look(line: EventDict) -> None:
    """The words of an exception are not told: `configure_logs` leaves them out."""
    told = {name: value for name, value in line.items() if name != "exc_info"}
    _leaked.extend(leaks(json.dumps(told, default=str)))
