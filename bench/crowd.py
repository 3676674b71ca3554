"""Followers of a service, in a process of their own: each has to be told every event once and in order."""

import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection

_ASKED = "GET /v1/events/stream?after={} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n"
_ID = re.compile(rb"\nid: (\d+)\n")
_RECORDED = re.compile(rb'"recorded_at": ?"([^"]+)"')
_MESSAGE_ENDS = b"\n\n"
_AT_ONCE = 1 << 18
_SUCCESS = b"HTTP/1.1 200 "
_REST = 1.0
"""Seconds after which a reader that was refused asks again, as the service's `Retry-After` says."""
_PATIENCE = 120.0
"""Seconds until all have to have been told the last event."""


@dataclass
class Told:
    """What came of a crowd. `waited`: seconds from an event's `recorded_at`, which is before its commit, to a reader.

    Of what a reader finds together it is the first event's, which waited longest. `wrong` counts readers that were told
    an event twice, in another order, or not at all; `events` all that were told to all of them. `back`: how often one
    that was let go, since it took nothing for too long, came back. `refused`: how often one was to come back later.
    """

    waited: list[float] = field(default_factory=list)
    wrong: int = 0
    events: int = 0
    back: int = 0
    refused: int = 0


class _Reader:
    def __init__(self, port: int, after: int) -> None:
        self.last, self.wrong = after, False
        self.due = 0.0
        self._port = port
        self.begin()

    def begin(self) -> None:
        """Follows behind the last event that it was told."""
        self.begun = False
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.sendall(_ASKED.format(self.last).encode())
        self._rest = b""

    def read(self, told: Told) -> bool:
        """Takes what has arrived; False where it has to come back, once that is `due`."""
        try:
            came = self.socket.recv(_AT_ONCE)
        except ConnectionError:
            came = b""
        if came and not self.begun and not came.startswith(_SUCCESS):
            told.refused += 1
            self.due = time.monotonic() + _REST
            return False
        if came:
            self._take(self._rest + came, time.time(), told)
        else:
            told.back += 1
        return bool(came)

    def _take(self, data: bytes, now: float, told: Told) -> None:
        self.begun = True
        end = data.rfind(_MESSAGE_ENDS) + 1
        whole, self._rest = data[:end], data[end:]
        positions = list(map(int, _ID.findall(whole)))
        if not positions:
            return
        self.wrong |= positions != list(range(self.last + 1, self.last + 1 + len(positions)))
        self.last = positions[-1]
        told.events += len(positions)
        if (recorded := _RECORDED.search(whole)) is not None:
            told.waited.append(now - datetime.fromisoformat(recorded[1].decode()).timestamp())


@contextmanager
def crowd(port: int, count: int, after: int) -> Iterator[Connection]:
    """So many follow while the block lasts, once all are heard. `result_of` ends them."""
    ours, theirs = get_context("fork").Pipe()
    process = get_context("fork").Process(target=_follow, args=(theirs, port, count, after))
    process.start()
    theirs.close()
    ours.recv()
    try:
        yield ours
    finally:
        process.terminate()
        process.join()


def result_of(following: Connection, last: int) -> Told:
    """What all were told up to the event at that position."""
    following.send(last)
    told: Told = following.recv()
    return told


def _follow(pipe: Connection, port: int, count: int, after: int) -> None:
    crowd = _Crowd([_Reader(port, after) for _ in range(count)])
    while not all(one.begun for one in crowd.readers):
        crowd.read_some()
    pipe.send(None)
    while not pipe.poll():
        crowd.read_some()
    last, deadline = pipe.recv(), time.monotonic() + _PATIENCE
    while any(one.last < last for one in crowd.readers) and time.monotonic() < deadline:
        crowd.read_some()
    crowd.told.wrong = sum(one.wrong or one.last < last for one in crowd.readers)
    pipe.send(crowd.told)


class _Crowd:
    def __init__(self, readers: list[_Reader]) -> None:
        self.readers = readers
        self.told = Told()
        self._connected: dict[int, _Reader] = {}
        self._resting: list[_Reader] = []
        self._waiting = select.epoll()
        for one in readers:
            self._watch(one)

    def read_some(self) -> None:
        for number, _ in self._waiting.poll(0.05):
            if not self._connected[number].read(self.told):
                reader = self._connected.pop(number)
                reader.socket.close()
                self._resting.append(reader)
        due = [one for one in self._resting if one.due <= time.monotonic()]
        self._resting = [one for one in self._resting if one not in due]
        for one in due:
            one.begin()
            self._watch(one)

    def _watch(self, reader: _Reader) -> None:
        self._connected[reader.socket.fileno()] = reader
        self._waiting.register(reader.socket, select.EPOLLIN)
