"""The load generator: one thread, keep-alive connections, requests made beforehand, so that it costs little itself."""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Result:
    """What came back. `latencies` in seconds, in the order of the answers; `statuses` counts the status codes."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that this share of the answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def post(path: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """The bytes of one request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def closed_loop(port: int, requests: Sequence[bytes], connections: int) -> Result:
    """Every connection sends its next request when it has the answer: the highest rate that the server takes."""
    pending = iter(requests)
    result, waiting = Result(), selectors.EpollSelector()
    sockets = [_connect(port) for _ in range(connections)]
    sent: dict[int, float] = {}
    began = time.perf_counter()
    for one in sockets:
        waiting.register(one, selectors.EVENT_READ, one)
        _send_next(one, pending, sent)
    while sent:
        for key, _ in waiting.select():
            one: socket.socket = key.data
            _answered(one, result, sent)
            _send_next(one, pending, sent)
    result.seconds = time.perf_counter() - began
    _close(sockets, waiting)
    return result


def open_loop(port: int, requests: Sequence[bytes], connections: int, rate: float) -> Result:
    """Requests leave at their own times, `rate` a second; a latency counts from the time when it should have left."""
    result, waiting = Result(), selectors.EpollSelector()
    sockets = [_connect(port) for _ in range(connections)]
    for one in sockets:
        waiting.register(one, selectors.EVENT_READ, one)
    free, sent, following = list(sockets), {}, 0
    began = time.perf_counter()
    while following < len(requests) or sent:
        now = time.perf_counter()
        while free and following < len(requests) and began + following / rate <= now:
            one = free.pop()
            sent[one.fileno()] = began + following / rate
            one.sendall(requests[following])
            following += 1
        due = began + following / rate - time.perf_counter() if free and following < len(requests) else 1.0
        for key, _ in waiting.select(max(0.0, due)):
            _answered(key.data, result, sent)
            free.append(key.data)
    result.seconds = time.perf_counter() - began
    _close(sockets, waiting)
    return result


def _connect(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def _send_next(one: socket.socket, pending: "object", sent: dict[int, float]) -> None:
    request = next(pending, None)  # type: ignore[call-overload]
    if request is not None:
        sent[one.fileno()] = time.perf_counter()
        one.sendall(request)


def _answered(one: socket.socket, result: Result, sent: dict[int, float]) -> None:
    answer = _read(one)
    result.latencies.append(time.perf_counter() - sent.pop(one.fileno()))
    status = int(answer[9:12])
    result.statuses[status] = result.statuses.get(status, 0) + 1


def _read(one: socket.socket) -> bytes:
    """A whole answer; some servers send head and body apart."""
    answer = b""
    while True:
        chunk = one.recv(65_536)
        if not chunk:
            raise ConnectionError("the server closed a connection")
        answer += chunk
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return answer


def _close(sockets: Sequence[socket.socket], waiting: selectors.BaseSelector) -> None:
    waiting.close()
    for one in sockets:
        one.close()
