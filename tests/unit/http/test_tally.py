"""Counters of several processes, told as one."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from adapters.http import Tally


class Process:
    """What one process counts."""

    def __init__(self, files: list[int], own: int) -> None:
        self.tally = Tally(files[own], files)
        self.done = Counter("done", "What is done.", ["by"], registry=self.tally)
        self.took = Histogram("took", "How long.", registry=self.tally)
        self.held = Gauge("held", "What is held.", registry=self.tally)

    def told(self) -> dict[str, float]:
        return samples(self.tally)


def samples(registry: CollectorRegistry) -> dict[str, float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {f"{one.name}{one.labels or ''}": one.value for family in families for one in family.samples}


@pytest.fixture
def files() -> Iterator[list[int]]:
    with ExitStack() as opened:
        yield [opened.enter_context(tempfile.TemporaryFile()).fileno() for _ in range(2)]


def test_whoever_is_asked_tells_what_all_have_counted(files: list[int]):
    one, other = Process(files, 0), Process(files, 1)
    one.done.labels("a").inc(2)
    other.done.labels("a").inc()
    other.done.labels("b").inc()
    other.took.observe(0.3)
    one.held.set(3)
    other.held.set(4)

    other.told()
    told = one.told()

    assert told["done_total{'by': 'a'}"] == 3
    assert told["done_total{'by': 'b'}"] == 1
    assert (told["took_count"], told["took_sum"], told["took_bucket{'le': '+Inf'}"]) == (1, 0.3, 1)
    assert told["held"] == 7
    assert other.told() == told


def test_a_process_that_is_started_anew_counts_on_and_holds_nothing_of_the_one_before(files: list[int]):
    one, other = Process(files, 0), Process(files, 1)
    one.done.labels("a").inc(2)
    one.held.set(3)
    one.told()
    one.done.labels("a").inc(40)

    again = Process(files, 0)
    before = other.told()["done_total{'by': 'a'}"]
    again.done.labels("a").inc(5)
    told = again.told()

    assert (before, told["done_total{'by': 'a'}"], told["held"]) == (2, 7, 0)
    assert Process(files, 0).told()["done_total{'by': 'a'}"] == 7


def test_a_write_that_broke_off_leaves_what_was_written_before(files: list[int]):
    one = Process(files, 0)
    one.done.labels("a").inc()
    one.told()
    one.done.labels("a").inc()
    one.told()
    half = 1 << 24
    with open(files[0], "r+b", closefd=False) as file:
        file.seek(0)
        first = file.read(16)
        file.seek(half)
        newest = 0 if first[:8] > file.read(16)[:8] else half
        file.seek(newest + 20)
        file.write(b"broken")

    assert Process(files, 0).told()["done_total{'by': 'a'}"] == 1


def test_a_process_that_nobody_asks_is_heard_all_the_same(files: list[int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.http.ingest.tally.EVERY", 0.001)
    quiet, asked = Process(files, 0), Process(files, 1)
    quiet.tally.begin()
    quiet.done.labels("a").inc()

    while "done_total{'by': 'a'}" not in asked.told():
        pass

    quiet.tally.close()


def test_it_tells_what_a_plain_registry_tells(files: list[int]):
    plain = CollectorRegistry()
    one = Process(files, 0)
    for registry, counter in ((plain, Counter("done", "What is done.", ["by"], registry=plain)), (one.tally, one.done)):
        counter.labels('"quoted\\"\n').inc()
        assert registry is not None

    told = generate_latest(one.tally).decode()

    assert {line for line in generate_latest(plain).decode().splitlines() if "_created" not in line} <= set(
        told.splitlines()
    )


class LookedBefore(threading.Event):
    """Answers the first who waits only when it is let go, and then as it was when he began to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout) if self.go.is_set() else not self.go.wait(20)


def test_behind_its_close_nothing_is_written_where_another_file_may_be_by_then(files: list[int]):
    one = Process(files, 0)
    one.tally._ended = ended = LookedBefore()
    one.tally.begin()
    one.tally.close()
    os.ftruncate(files[0], 0)

    ended.go.set()
    for thread in threading.enumerate():
        if thread.name == "hookfold-tally":
            thread.join()

    assert os.fstat(files[0]).st_size == 0
