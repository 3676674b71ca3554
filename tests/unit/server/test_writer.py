"""The writing process answers everything that it was sent, whenever its outcome comes."""

import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event

import pytest

from adapters.server.commits.frames import Inbox, Item, Listen, Outcome, frame, pack
from adapters.sql import Receipt, Rejection, Unavailable
from adapters.sql.log.batch_limits import MOST_BYTES
from tests.support.writing import connecting

More = Callable[[], Sequence[Item]]


class Scripted:
    """A log whose outcomes come together: the socket tells of the first one only."""

    def __init__(self, together: int) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._together = together
        self._begun = 0
        self._under_way: deque[list[Receipt]] = deque()
        self.before_told: Callable[[], object] = lambda: None

    @property
    def socket(self) -> int | None:
        return self._ours.fileno() if self._under_way else None

    @property
    def answered(self) -> bool:
        return not self._under_way or (self._begun >= self._together and not self._is_told())

    def begin(self, batch: Sequence[Item], _more: More) -> list[Receipt]:
        self._begun += 1
        receipts = [Receipt("rejected", item.size) for item in batch if isinstance(item, Rejection)]
        self._under_way.append(receipts)
        if self._begun == self._together:
            self.before_told()
            self.theirs.sendall(b"all of them")
        return receipts

    def finish(self, sent: list[Receipt]) -> list[Receipt]:
        assert self._under_way.popleft() is sent
        if self._is_told():
            self._ours.recv(100)
        return sent

    def _is_told(self) -> bool:
        self._ours.setblocking(False)
        try:
            return bool(self._ours.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


class Reconnecting(Scripted):
    """A log whose connection is lost with each outcome; the next one's socket has the same number."""

    def finish(self, sent: list[Receipt]) -> list[Receipt]:
        assert self._under_way.popleft() is sent
        number = self._ours.fileno()
        self.close()
        self._ours, self.theirs = socket.socketpair()
        if self._ours.fileno() != number:
            os.dup2(self._ours.fileno(), number)
            self._ours.close()
            self._ours = socket.socket(fileno=number)
        return sent

    @property
    def answered(self) -> bool:
        return not self._under_way


class Failing:
    """A log that begins everything and ends with what it is told to raise."""

    socket = None
    answered = True

    def __init__(self, *errors: Exception) -> None:
        self._errors = deque(errors)

    def begin(self, batch: Sequence[Item], _more: More) -> Sequence[Item]:
        return batch

    def finish(self, sent: Sequence[Item]) -> list[Receipt]:
        if self._errors:
            raise self._errors.popleft()
        return [Receipt("rejected", item.size) for item in sent if isinstance(item, Rejection)]


def delivered(size: int) -> bytes:
    return frame([pack(Rejection("clinic", 0, [], b"", size, 400, "empty"))])


def await_begun(log: Scripted, count: int) -> None:
    deadline = time.monotonic() + 10
    while log._begun < count:
        assert time.monotonic() < deadline


def test_outcomes_that_come_together_are_all_answered():
    log = Scripted(together=2)
    with connecting(log) as connect, connect() as client:
        for size in (1, 2):
            client.sendall(delivered(size))
            await_begun(log, size)

        outcomes = received(client, 2)

    log.close()
    assert outcomes == [Receipt("rejected", 1), Receipt("rejected", 2)]


def test_a_second_batch_waits_until_it_is_as_large_as_the_one_under_way():
    log = Scripted(together=2)
    with connecting(log) as connect, connect() as client:
        client.sendall(frame([pack(Rejection("clinic", 0, [], b"", size, 400, "empty")) for size in (1, 2)]))
        await_begun(log, 1)
        client.sendall(delivered(3))
        time.sleep(0.05)
        begun = log._begun
        client.sendall(delivered(4))
        await_begun(log, 2)

        outcomes = received(client, 4)

    log.close()
    assert begun == 1
    assert outcomes == [Receipt("rejected", size) for size in (1, 2, 3, 4)]


def test_outcomes_come_over_a_new_connection_whose_socket_has_the_number_of_the_lost_one():
    log = Reconnecting(together=0)
    with connecting(log) as connect, connect() as client:
        client.sendall(frame([pack(Rejection("clinic", 0, [], b"", size, 400, "empty")) for size in (1, 2)]))
        await_begun(log, 1)
        client.sendall(delivered(3))  # waits for the two before it
        log.theirs.sendall(b"lost")
        await_begun(log, 2)
        log.theirs.sendall(b"the outcome")

        outcomes = received(client, 3)

    log.close()
    assert outcomes == [Receipt("rejected", size) for size in (1, 2, 3)]


def test_a_batch_that_fails_is_told_so_and_the_next_one_is_committed():
    with connecting(Failing(Unavailable("the disk is full"), ZeroDivisionError())) as connect, connect() as client:
        outcomes = []
        for size in (1, 2, 3):
            client.sendall(delivered(size))
            outcomes += received(client, 1)

    assert outcomes == ["the disk is full", "ZeroDivisionError", Receipt("rejected", 3)]


def test_a_process_that_died_keeps_no_other_from_its_outcome():
    with connecting(Failing()) as connect, connect() as other:
        dying = connect()
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dying.sendall(delivered(1) * 1_000)
        dying.close()
        other.sendall(delivered(2))

        assert received(other, 1) == [Receipt("rejected", 2)]


def test_a_process_that_dies_while_it_is_answered_takes_no_writer_along():
    log = Scripted(together=2)
    with connecting(log) as connect, connect() as other:
        dying = connect()
        dying.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dying.sendall(delivered(1))
        await_begun(log, 1)
        log.before_told = dying.close  # its end and its outcome are there to be read in one turn
        other.sendall(delivered(2))

        assert received(other, 1) == [Receipt("rejected", 2)]
        with connect() as later:
            later.sendall(delivered(3))
            assert received(later, 1) == [Receipt("rejected", 3)]
    log.close()


def test_a_process_that_takes_no_outcomes_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.writer.PATIENCE", 0.2)
    with connecting(Failing()) as connect, connect() as deaf, connect() as other:
        with suppress(ConnectionError):  # it may be left before it has said all
            for _ in range(200):
                deaf.sendall(frame([pack(Rejection("clinic", 0, [], b"", 1, 400, "empty"))] * 2_000))
        other.sendall(delivered(2))

        assert received(other, 1) == [Receipt("rejected", 2)]


def test_what_arrives_while_a_batch_waits_for_the_lock_joins_it_as_far_as_it_fits(monkeypatch: pytest.MonkeyPatch):
    class Waiting(Failing):
        def begin(self, batch: Sequence[Item], more: More) -> Sequence[Item]:
            waits.set()
            came = more()
            while not (came or batches):
                came = more()
            batches.append(len(batch) + len(came))
            return [*batch, *came]

    monkeypatch.setattr("adapters.sql.log.batch_limits.MOST_BYTES", 100)
    batches: list[int] = []
    waits = Event()
    rejections = [Rejection("clinic", 0, [], b"x" * 40, size, 400, "empty") for size in (1, 2, 3)]
    with connecting(Waiting()) as connect, connect() as client:
        client.sendall(frame([pack(rejections[0])]))
        waits.wait(20)
        client.sendall(frame([pack(item) for item in rejections[1:]]))

        assert received(client, 3) == [Receipt("rejected", size) for size in (1, 2, 3)]

    assert batches == [2, 1]


def test_a_batch_ends_where_its_bodies_have_many_bytes_together():
    class Weighing(Failing):
        def begin(self, batch: Sequence[Item], _more: More) -> Sequence[Item]:
            weights.append([len(item.body) for item in batch if isinstance(item, Rejection)])
            return batch

    weights: list[list[int]] = []
    large = Rejection("clinic", 0, [], b"x" * (MOST_BYTES // 2 - 1), 1, 400, "empty")
    larger = Rejection("clinic", 0, [], b"x" * (MOST_BYTES + 1), 1, 400, "empty")
    with connecting(Weighing()) as connect, connect() as client:
        client.sendall(frame([pack(item) for item in (large, large, large, larger, large)]))

        assert received(client, 5) == [Receipt("rejected", 1)] * 5

    assert [len(batch) for batch in weights] == [2, 1, 1, 1]


def received(client: socket.socket, count: int) -> list[Outcome]:
    inbox = Inbox[Outcome](Outcome)  # type: ignore[arg-type]  # a union
    outcomes: list[Outcome] = []
    while len(outcomes) < count:
        outcomes += inbox.whole(client.recv(1 << 16))
    return outcomes


def test_whoever_listens_is_told_when_something_of_others_was_committed():
    log = Scripted(1)
    with connecting(log) as connect, connect() as listening, connect() as sending:
        listening.sendall(frame([pack(Listen())]) + frame([pack(Rejection("clinic", 0, [], b"", 1, 400, "empty"))]))
        assert listening.recv(1 << 16) == frame([pack(Receipt("rejected", 1))])

        sending.sendall(frame([pack(Rejection("clinic", 0, [], b"", 2, 400, "empty"))]))

        assert sending.recv(1 << 16) == frame([pack(Receipt("rejected", 2))])
        assert listening.recv(1 << 16) == frame([])
    log.close()
