"""The load generator: one thread, keep-alive connections, requests made beforehand, so that it costs little itself."""

import gc
import select
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.measure import percentile


@dataclass
class Result:
    """What came back. `latencies` in seconds, in the order of the answers; `statuses` counts the status codes."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency, in milliseconds, that this share of the answers stayed below."""
        return percentile(self.latencies, share) * 1e3


class Connections:
    """Open keep-alive connections to a port of this machine, each with at most one request on its way."""

    def __init__(self, port: int, count: int) -> None:
        sockets = [_connect(port) for _ in range(count)]
        self.by_number = {one.fileno(): one for one in sockets}
        self.sent: dict[int, float] = {}

    def send(self, number: int, request: bytes, since: float) -> None:
        """Sends on an idle connection; its latency counts from `since`."""
        self.sent[number] = since
        self.by_number[number].sendall(request)

    def receive(self, number: int, result: Result) -> None:
        """Takes the answer that has arrived, all of it."""
        status = _read(self.by_number[number])
        result.latencies.append(time.perf_counter() - self.sent.pop(number))
        result.statuses[status] += 1

    def close(self) -> None:
        for one in self.by_number.values():
            one.close()


def closed_loop(port: int, requests: deque[bytes], connections: int, seconds: float) -> Result:
    """Every connection sends its next request when it has the answer: the highest rate that the server takes.

    After `seconds`, or when the requests are used up, nothing more is sent; what was sent is waited for. What was sent
    is taken out of `requests`.
    """
    with _connected(port, connections) as (open_ones, result):
        waiting = select.epoll()
        began = time.perf_counter()
        for number in open_ones.by_number:
            waiting.register(number, select.EPOLLIN)
            if requests:
                open_ones.send(number, requests.popleft(), time.perf_counter())
        while open_ones.sent:
            for number, _ in waiting.poll():
                open_ones.receive(number, result)
                now = time.perf_counter()
                if requests and now - began < seconds:
                    open_ones.send(number, requests.popleft(), now)
        result.seconds = time.perf_counter() - began
        waiting.close()
    return result


def open_loop(port: int, requests: deque[bytes], connections: int, rate: float, seconds: float) -> Result:
    """Requests leave at their own times, `rate` a second; a latency counts from the time when it should have left.

    A sender that waits for a slow answer before it sends again would hide what the others waited: this one does not.
    """
    with _connected(port, connections) as (open_ones, result):
        free = list(open_ones.by_number)
        began, sent, count = time.perf_counter(), 0, min(len(requests), int(rate * seconds))
        while sent < count or open_ones.sent:
            now = time.perf_counter()
            while free and sent < count and began + sent / rate <= now:
                open_ones.send(free.pop(), requests.popleft(), began + sent / rate)
                sent += 1
            # epoll counts in milliseconds, which is too coarse for the next departure
            due = began + sent / rate - time.perf_counter() if free and sent < count else 1.0
            for number in select.select(list(open_ones.sent), (), (), max(0.0, due))[0]:
                open_ones.receive(number, result)
                free.append(number)
        result.seconds = time.perf_counter() - began
    return result


@contextmanager
def _connected(port: int, count: int) -> Iterator[tuple[Connections, Result]]:
    """Without the garbage collector: its pauses would be taken for the server's."""
    open_ones = Connections(port, count)
    gc.collect()
    gc.disable()
    try:
        yield open_ones, Result()
    finally:
        gc.enable()
        open_ones.close()


def _connect(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def _read(one: socket.socket) -> int:
    """The status of a whole answer; some servers send head and body apart."""
    answer = b""
    while True:
        chunk = one.recv(65_536)
        if not chunk:
            raise ConnectionError("the server closed a connection")
        answer += chunk
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return int(answer[9:12])
