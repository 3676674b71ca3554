"""Signed WMS traffic as many visitors make it at once: whole sessions of sixteen events, dealt out in turn."""

import hashlib
import hmac
import itertools
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

SOURCE = "clinic"
SECRET = "wms-test-secret-0123456789abcdef"
PATH = f"/in/{SOURCE}"

STEPS = (
    *("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"),
    *("MEASUREMENT_CREATED", "WEBSOCKET_RECONNECTED", *["INTERMEDIATE_RESULTS"] * 5),
    *("SCAN_COMPLETED", "RESULTS_RECEIVED", "REDIRECTING_TO_CALLBACK", "PAGE_UNLOADED"),
)
"""A session from the first page to the last."""

FINAL = ("closed", "completed", len(STEPS))
"""State, outcome and number of events of a session of which everything arrived."""

AT_ONCE = 256
"""Sessions that are open at a time: an event's predecessor was answered long before, as it is with real visitors."""

PAUSE = 3
"""Seconds of the provider's clock between two events of a visitor; all visitors have the same time."""

_PAST = 2 * 86_400
"""Seconds by which the clock begins behind ours: an event that is ahead of us is an anomaly."""

_GONE = object()
_FIRST_ID = 5
_FIRST_CHUNK = STEPS.index("INTERMEDIATE_RESULTS")


@dataclass(frozen=True)
class Message:
    """One webhook: its session's id, its number in the session, its raw body."""

    session: str
    sequence: int
    body: bytes

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """The headers as a server hands them over."""
        mac = hmac.digest(SECRET.encode(), self.body, hashlib.sha256).hex()
        return [
            ("host", "127.0.0.1"),
            ("content-type", "application/json"),
            ("user-agent", "wms/1.0"),
            ("accept", "*/*"),
            ("x-wms-content-mac", f"hmac-sha256={mac}"),
            ("content-length", str(len(self.body))),
        ]

    @property
    def request(self) -> bytes:
        """The bytes that go over the wire."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + self.body

    @property
    def size(self) -> int:
        """Bytes of the raw body and of the headers as sent."""
        return len(self.body) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def session_id(name: str, number: int) -> str:
    """The provider's id of the session that was begun as the `number`th, from 0, in the traffic of that name."""
    return f"{name}{number:010d}9fu3rpqruvf"


class Traffic:
    """A stream of messages; after `close`, or at the `most` sessions, those that are open are brought to their end.

    `name` keeps the sessions of one stream apart from those of another. `sessions` counts those that were begun.
    `in_step`: all visitors begin with their first event.
    """

    def __init__(self, name: str, at_once: int = AT_ONCE, most: float = math.inf, *, in_step: bool = False) -> None:
        self._name = name
        self._began = self._now = int(time.time()) - _PAST
        self._at_once = at_once
        self._most = most
        self._waits = 1 if in_step else len(STEPS)
        self._closed = False
        self.sessions = 0

    def __iter__(self) -> Iterator[Message]:
        visitors = deque(self._visitor(number % self._waits) for number in range(self._at_once))
        for turn in itertools.count():
            if not visitors:
                return
            self._now = self._began + PAUSE * turn // self._at_once
            visitor = visitors.popleft()
            message = next(visitor, _GONE)
            if message is not _GONE:
                visitors.append(visitor)
            if isinstance(message, Message):
                yield message

    def close(self) -> None:
        """No new sessions from now on."""
        self._closed = True

    def _visitor(self, waits: int) -> Iterator[Message | None]:
        """Session after session; nothing for the first turns, so that not all visitors are in step."""
        yield from itertools.repeat(None, waits)
        while not self._closed and self.sessions < self._most:
            yield from self._session()

    def _session(self) -> Iterator[Message]:
        number, self.sessions = self.sessions, self.sessions + 1
        session = session_id(self._name, number)
        payload = f'{{"measurementId":"f0c8ca8d-111d-4dcf-a69d-{number:012x}"}}'
        for sequence, event in enumerate(STEPS):
            told = payload if sequence >= _FIRST_ID else "{}"
            if event == "INTERMEDIATE_RESULTS":
                chunk = sequence - _FIRST_CHUNK + 1
                told = f'{payload[:-1]},"snr":{9 + chunk / 4},"sequence":{chunk}}}'
            body = (
                f'{{"timestamp":{self._now},"sessionId":"{session}","sequence":{sequence},'
                f'"event":"{event}","severity":"INFO","payload":{told}}}'
            )
            yield Message(session, sequence, body.encode())
