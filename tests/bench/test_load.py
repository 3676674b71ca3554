"""The load generator tells what came back, and what it did not send it leaves."""

import sqlite3
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import closed_loop, open_loop
from bench.servers import raw
from bench.traffic import SECRET, Traffic


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with raw(tmp_path_factory.mktemp("raw")) as server:
        yield server.port


@pytest.fixture
def requests() -> deque[bytes]:
    return deque(message.request for message in Traffic("t", most=3))


def test_all_requests_are_answered_where_time_suffices(port, requests):
    result = closed_loop(port, requests, connections=4, seconds=60)

    assert result.statuses == {200: 48}
    assert not requests


def test_when_time_is_up_the_rest_is_left(port, requests):
    result = closed_loop(port, requests, connections=4, seconds=0)

    assert len(result.latencies) + len(requests) == 48
    assert len(result.latencies) == 4


def test_in_an_open_loop_requests_leave_at_their_own_rate(port, requests):
    result = open_loop(port, requests, connections=4, rate=200, seconds=0.2)

    assert len(result.latencies) == 40
    assert result.seconds >= 39 / 200


def test_the_hand_written_receiver_does_its_work(tmp_path: Path, requests):
    from bench.servers import peer

    settings = {"WMS_MAC_SECRET": SECRET, "HANDWRITTEN_URL": f"sqlite:///{tmp_path}/peer.db"}
    with peer("handwritten", tmp_path, 1, settings) as server:
        result = closed_loop(server.port, requests, connections=1, seconds=60)

    with sqlite3.connect(tmp_path / "peer.db") as database:
        states = database.execute("SELECT state, count(*) FROM measured GROUP BY state").fetchall()
    assert result.statuses == {200: 48}
    assert states == [("closed", 3)]


def test_servers_that_do_not_start_say_why(tmp_path: Path):
    from bench.servers import peer

    with pytest.raises(RuntimeError, match="did not start"), peer("no_such_peer", tmp_path, 1):
        pass
