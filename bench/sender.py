"""Sends traffic to one server in slices, and knows everything that it sent."""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import Result, closed_loop, open_loop
from bench.servers import Server
from bench.traffic import Message, Traffic

_AT_FIRST = 2_000
"""Requests a second that are made beforehand while nobody knows how many the server takes."""


@dataclass
class Sender:
    """One server's traffic. `sent` is what went out and was answered, `refused` counts the answers that were no 200."""

    name: str
    server: Server
    sent: list[Message] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self.traffic = Traffic(self.name)
        self._messages = iter(self.traffic)
        self._ready: deque[Message] = deque()
        self._highest = _AT_FIRST

    def closed(self, connections: int, seconds: float) -> Result:
        """A slice as fast as the server takes it."""
        self._prepare(int(2 * self._highest * seconds) + connections)
        requests = deque(message.request for message in self._ready)
        result = self._noted(requests, closed_loop(self.server.port, requests, connections, seconds))
        self._highest = max(self._highest, int(result.rate))
        return result

    def open(self, connections: int, rate: float, seconds: float) -> Result:
        """A slice at a rate of our own."""
        return self.opening(connections, rate, seconds)()

    def opening(self, connections: int, rate: float, seconds: float) -> Callable[[], Result]:
        """The same, with its requests made already: making them takes the interpreter from other threads that send."""
        self._prepare(int(rate * seconds))
        requests = deque(message.request for message in self._ready)
        return lambda: self._noted(requests, open_loop(self.server.port, requests, connections, rate, seconds))

    def finish(self, connections: int) -> None:
        """Brings every open session to its end."""
        self.traffic.close()
        self._ready.extend(self._messages)
        requests = deque(message.request for message in self._ready)
        self._noted(requests, closed_loop(self.server.port, requests, connections, 3_600))

    def again(self, count: int) -> Result:
        """The last messages once more, as a sender does that got no answer."""
        requests = deque(message.request for message in itertools.islice(reversed(self.sent), count))
        return closed_loop(self.server.port, requests, 8, 3_600)

    def _prepare(self, count: int) -> None:
        self._ready.extend(itertools.islice(self._messages, max(0, count - len(self._ready))))

    def _noted(self, left: deque[bytes], result: Result) -> Result:
        taken = [self._ready.popleft() for _ in range(len(self._ready) - len(left))]
        self.sent += taken
        self.refused += sum(count for status, count in result.statuses.items() if status != 200)
        return result
