"""The outcome of a forwarded delivery at its handler, which we record as an event of the session."""

import hashlib
from base64 import b64encode
from typing import Any

import msgspec

from adapters.providers.fields import Document, UnusableFieldError, identifier, read_with
from core.event import Instant, Reading, Unreadable
from core.ordering.order import OUTCOMES

KEPT = 65_536
"""The bytes that are stored of a response, from its start."""


class Outcome(msgspec.Struct, kw_only=True):
    """A handler's response. `status` is None if there was none; then `failure` has the reason in a word.

    `began` is when the delivery was sent to it, `ended` when its response was complete or given up. `size` and `sha256`
    are those of the response's body as far as it came, `beginning` its first bytes. `attempts` counts our attempts if
    we retry.
    """

    began: Instant
    ended: Instant
    status: int | None = None
    failure: str | None = None
    size: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    beginning: bytes = b""
    attempts: int | None = None

    @property
    def succeeded(self) -> bool:
        """Any 2xx is success, as for the senders."""
        return self.failure is None and self.status is not None and 200 <= self.status < 300

    @property
    def kind(self) -> str:
        """The event's type."""
        return "handler_succeeded" if self.succeeded else "handler_failed"


def outcome_body(outcome: Outcome, session_id: str, key: bytes, verdict: str) -> bytes:
    """The stored body of an outcome, which `read_outcome` reads. `key` is that of the forwarded event."""
    return msgspec.json.encode(
        {
            "type": outcome.kind,
            "session_id": session_id,
            "key": key.hex(),
            "attempt": outcome.began,
            "verdict": verdict,
            "at": outcome.ended,
            "latency_ms": (outcome.ended - outcome.began) / 1000,
            "status": outcome.status,
            "failure": outcome.failure,
            "size": outcome.size,
            "sha256": outcome.sha256,
            **({} if outcome.attempts is None else {"attempts": outcome.attempts}),
            **_told(outcome.beginning),
        }
    )


def read_outcome(body: bytes) -> Reading | Unreadable:
    """Reads a body made by `outcome_body`. Never raises."""
    return read_with(_read, body)


def _told(beginning: bytes) -> dict[str, Any]:
    """The first bytes as text if they are text."""
    if not beginning:
        return {}
    try:
        return {"answer": beginning.decode()}
    except UnicodeDecodeError:
        return {"answer_base64": b64encode(beginning).decode()}


def _read(document: Document) -> Reading:
    kind, at = document.get("type"), document.get("at")
    if kind not in OUTCOMES or type(at) is not int:
        raise UnusableFieldError("not an outcome")
    session_id = identifier(document, "session_id")
    data = {name: value for name, value in document.items() if name not in ("type", "at") and value is not None}
    return Reading("session", session_id, str(kind), None, at, data)
