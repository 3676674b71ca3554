"""Records a handler's outcome in the log."""

from typing import Any

from adapters.providers import Outcome, outcome_body, read_outcome
from adapters.sql import Entry, Recorder
from core.event import Reading, Unreadable


class HandedOn:
    """A forwarded event and how its outcome is recorded. `session`: the session's machine has handler events.

    `position` is 0 if the event is not in the log yet.
    """

    __slots__ = ("key", "position", "reading", "session", "source", "verdict")

    def __init__(
        self, source: str, position: int, key: bytes, reading: Reading | Unreadable, verdict: str, *, session: bool
    ) -> None:
        self.source = source
        self.position = position
        self.key = key
        self.reading = reading
        self.verdict = verdict
        self.session = session

    def entry(self, recorder: Recorder, outcome: Outcome) -> Entry:
        """An event of the session if its machine has handler events; else one of our own, without the response."""
        reading = self.reading
        if self.session and isinstance(reading, Reading) and reading.known and reading.kind == "session":
            body = outcome_body(outcome, reading.provider_id, self.key, self.verdict)
            identity = b"outcome:" + self.key + outcome.began.to_bytes(8)
            return Entry(self.source, outcome.ended, [], body, None, identity, read_outcome(body))
        more: dict[str, Any] = {} if outcome.attempts is None else {"attempts": outcome.attempts}
        more |= {"position": self.position} if self.position else {"key": self.key.hex()}
        return recorder.entry(
            "forwarded",
            source=self.source,
            verdict=self.verdict,
            status=outcome.status,
            failure=outcome.failure,
            latency_ms=(outcome.ended - outcome.began) / 1000,
            size=outcome.size,
            sha256=outcome.sha256,
            **more,
        )


def counted_as(outcome: Outcome) -> str:
    """The label for metrics: why there was no response, or the class of its status."""
    return outcome.failure or f"{(outcome.status or 0) // 100}xx"
