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
_PATIENCE = 120.0
"""Seconds until all have to have been told the last event."""


@dataclass
class Told:
    """What came of a crowd. `waited`: seconds from an event's `recorded_at`, which is before its commit, to a reader.

    Of what a reader finds together it is the first event's, which waited longest. `wrong` counts readers that were told
    an event twice, in another order, or not at all; `events` all that were told to all of them. `back`: how often one
    that was let go, since it took nothing for too long, came back.
    """

    waited: list[float] = field(default_factory=list)
    wrong: int = 0
    events: int = 0
    back: int = 0


class _Reader:
    def __init__(self, port: int, after: int) -> None:
        self.last, self.wrong, self.begun = after, False, False
        self._port = port
        self.begin()

    def begin(self) -> None:
        """Follows behind the last event that it was told."""
        self.socket = socket.create_connection(("127.0.0.1", self._port))
        self.socket.sendall(_ASKED.format(self.last).encode())
        self._rest = b""

    def read(self, told: Told) -> bool:
        """Takes what has arrived; False where the connection has ended."""
        try:
            came = self.socket.recv(_AT_ONCE)
        except ConnectionError:
            came = b""
        if came:
            self._take(self._rest + came, time.time(), told)
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
    readers = {one.socket.fileno(): one for one in (_Reader(port, after) for _ in range(count))}
    waiting, told = select.epoll(), Told()
    for number in readers:
        waiting.register(number, select.EPOLLIN)
    while not all(one.begun for one in readers.values()):
        _read_some(waiting, readers, told)
    pipe.send(None)
    while not pipe.poll():
        _read_some(waiting, readers, told)
    last, deadline = pipe.recv(), time.monotonic() + _PATIENCE
    while any(one.last < last for one in readers.values()) and time.monotonic() < deadline:
        _read_some(waiting, readers, told)
    told.wrong = sum(one.wrong or one.last < last for one in readers.values())
    pipe.send(told)


def _read_some(waiting: select.epoll, readers: dict[int, _Reader], told: Told) -> None:
    for number, _ in waiting.poll(0.05):
        reader = readers[number]
        if not reader.read(told):
            del readers[number]
            reader.socket.close()
            reader.begin()
            told.back += 1
            readers[reader.socket.fileno()] = reader
            waiting.register(reader.socket, select.EPOLLIN)
