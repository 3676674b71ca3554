"""What is told of requests that name no source."""

from typing import Any

import pytest
import structlog

from adapters.http.ingest import log_throttle
from adapters.http.ingest.log_throttle import QUIET
from adapters.http.ingest.unknown_paths import MOST_SEGMENTS, UnknownPaths


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock that the lines go by."""
    at = [1_000.0]
    monkeypatch.setattr(log_throttle, "monotonic", lambda: at[0])
    return at


def told(unknown_paths: UnknownPaths, *paths: str) -> list[Any]:
    with structlog.testing.capture_logs() as lines:
        for path in paths:
            unknown_paths.tell(path)
    return lines


def test_the_next_line_tells_how_many_came_since_the_last_one(now: list[float]):
    unknown_paths = UnknownPaths({"clinic"})
    told(unknown_paths, "/in/a", "/in/b", "/in/c")

    now[0] += QUIET
    (line,) = told(unknown_paths, "/in/d")

    assert line["count"] == 3
    assert next(sample.value for one in unknown_paths.paths.collect() for sample in one.samples) == 4


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/in", "/in"),
        ("/in/", "/in/"),
        ("/in/ann@example.com/webhook", "/in/*/webhook"),
        ("/in/clinic/x", "/in/clinic/*"),
        ("/in/Clinic", "/in/*"),
        ("/in" + "/x" * 1_000, "/in" + "/*" * (MOST_SEGMENTS - 2) + "/…"),
    ],
)
def test_a_path_is_cut_and_tells_nothing_that_is_not_ours(path: str, shape: str):
    (line,) = told(UnknownPaths({"clinic"}), path)

    assert line["path"] == shape
