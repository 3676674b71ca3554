"""Two services with a log each, in two schemas of one PostgreSQL: one is killed, and the other one does not notice."""

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from threading import Event

import psycopg
import pytest
from click.testing import CliRunner

from adapters.cli import command_line
from app import commands
from tests.endurance.standing import answers, until
from tests.support.logs import wms
from tests.support.postgres import Postgres
from tests.support.service import Service, running, surroundings

MORE = 100
"""Deliveries that the other one acknowledges behind the end of the first."""

Typed = Callable[..., str]


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    """A database with three empty schemas."""
    with postgres.database() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            for schema in ("north", "south", "copy"):
                admin.execute(f"CREATE SCHEMA {schema}".encode())
        yield url


def in_schema(url: str, schema: str) -> str:
    return f"{url}&options=-csearch_path%3D{schema}"


@pytest.fixture
def typed(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types a command at the log of a schema, with the configuration of its service. A copy has the original's."""

    def run(schema: str, *words: str) -> str:
        folder = tmp_path / ("south" if schema == "copy" else schema)
        for name, value in surroundings(in_schema(url, schema), folder).items():
            monkeypatch.setenv(name, value)
        done = CliRunner().invoke(command_line(commands()), words)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_one_is_killed_and_the_other_answers_every_delivery(url: str, tmp_path: Path, typed: Typed):
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        north, south = (
            stack.enter_context(running(in_schema(url, name), tmp_path / name)) for name in ("north", "south")
        )
        enough, of_north, of_south = Event(), list[int](), list[int]()
        stack.callback(enough.set)
        sending = [pool.submit(_send, *given, enough) for given in ((north, of_north), (south, of_south))]
        until(lambda: min(len(of_north), len(of_south)) > MORE)

        north.process.send_signal(signal.SIGKILL)
        until(lambda: not answers(north))
        before = len(of_south)
        until(lambda: len(of_south) > before + MORE)
        enough.set()
        for one in sending:
            one.result()
        head = south.head()

    assert set(of_south) == {200}
    assert head == len(of_south)
    assert of_north.count(200) <= verified(typed("north", "audit", "verify", "--json")) <= len(of_north) + 1
    assert set(of_north) <= {200, 503}
    assert verified(typed("south", "audit", "verify", "--json")) == head
    file = str(tmp_path / "south.jsonl")
    typed("south", "export", "-o", file)
    typed("copy", "import", file)
    assert verified(typed("copy", "audit", "verify", "--json")) == head


def verified(told: str) -> int:
    """Events that are as they were recorded."""
    return int(json.loads(told)["size"])


def _send(service: Service, statuses: list[int], enough: Event) -> None:
    """One delivery behind the other until it is enough, or nobody answers."""
    while not enough.is_set():
        try:
            statuses.append(service.wms(wms("s1", len(statuses))).status)
        except (OSError, HTTPException):
            return
