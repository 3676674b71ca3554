"""Following behind a position: nothing is skipped, nothing told twice, and silence is broken by heartbeats."""

from typing import Any

import pytest

from adapters.http.framework.carried import RECONNECT
from adapters.http.views import follow
from adapters.http.views.follow import FittingRows, Follower, messages
from adapters.sql import Reads, Unavailable
from tests.support.house import House, wms


class Log:
    """Numbers for events; of which those that fit are told, at most two at a time. `away`: as the database may be."""

    def __init__(self, *fitting: int) -> None:
        self.head = max(fitting, default=0)
        self.fitting = fitting
        self.asked: list[int] = []
        self.away = False

    def read(self, after: int) -> FittingRows:
        if self.away:
            raise Unavailable("it is away")
        self.asked.append(after)
        return FittingRows([Row(one) for one in self.fitting if after < one][:2])


class Row(int):
    @property
    def position(self) -> int:
        return int(self)


def shape(row: int) -> list[int]:
    return [int(row)]


def test_the_log_is_asked_only_where_it_has_moved():
    log = Log(1, 2, 3)
    follower = Follower(lambda: log.head, log.read, 0)

    pages: list[Any] = [follower.page() for _ in range(4)]
    log.head = 7
    pages += [follower.page() for _ in range(3)]
    log.fitting += (8, 9)
    log.head = 8
    pages += [follower.page() for _ in range(2)]

    assert pages == [[1, 2], [3], [], [], [], [], [], [8, 9], []]
    assert log.asked == [0, 2, 3, 7]


def test_a_position_ahead_of_the_log_is_waited_for():
    log = Log(1, 2, 3)

    assert Follower(lambda: log.head, log.read, 3).page() == []
    assert Follower(lambda: log.head, log.read, 2**63 - 1).page() == []


def test_silence_is_broken_by_a_comment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(follow, "HEARTBEAT", 0)
    log = Log(1, 2, 3)

    told = list(messages(Follower(lambda: log.head, log.read, 0), iter([None] * 2), shape))

    first, second = b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n", b"id: 3\ndata: 3\n\n"
    assert told == [RECONNECT, first, second, b":\n", b":\n"]


def test_where_nothing_fitted_so_far_a_comment_tells_that_it_goes_on():
    pages = {0: FittingRows([], 4), 4: FittingRows([], 8), 8: FittingRows([Row(9)])}

    told = list(messages(Follower(lambda: 9, lambda after: pages[after], 0), iter([None]), shape))

    assert told == [RECONNECT, b":\n", b":\n", b"id: 9\ndata: 9\n\n"]


def test_a_database_that_is_away_is_waited_for():
    log = Log(1)
    log.away = True

    def looks():
        yield
        log.away = False
        yield

    assert list(messages(Follower(lambda: log.head, log.read, 0), looks(), shape)) == [RECONNECT, b"id: 1\ndata: 1\n\n"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_that_begins_while_the_database_is_away_is_busy(one_house: House, monkeypatch, method: str):
    def away(_: Any) -> int:
        raise Unavailable("it is away")

    monkeypatch.setattr(Reads, "head", away)

    assert one_house.client.open("/v1/events/stream", method=method).status_code == 503


def test_a_stream_that_nobody_begins_to_read_frees_its_slot(one_house: House):
    one_house.send("clinic", wms("s", 0))

    for _ in range(3):
        with one_house.client.get("/v1/events/stream") as answer:
            assert answer.status_code == 200
            assert one_house.client.get("/v1/events/stream").status_code == 503
