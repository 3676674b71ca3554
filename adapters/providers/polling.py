"""What Amps answers when it is asked for an action (`GET /actions/{id}`): webhooks come for completed and failed ones
alone, and may be lost. What is learnt is an event of the action, of which we tell; a webhook's word goes before it.
"""

import json
from typing import Any, NamedTuple

from adapters.providers.amps import COMPLETED, FAILED, action_fields
from adapters.providers.fields import Document, UnusableFieldError, identifier, read_with
from adapters.providers.instants import instant
from adapters.providers.strictjson import loads
from core.event import Instant, Reading, Unreadable

_TYPES = {
    "acknowledged": "acknowledged",
    "scheduled": "scheduled",
    "cancelled": "cancelled",
    "completed": COMPLETED,
    "failed": FAILED,
}
_BEGINS = b'{"polled":'
_TIMES = ("completedAt", "failedAt", "cancelledAt", "scheduledAt", "acknowledgedAt", "updatedAt")


class PolledStatus(NamedTuple):
    """What the provider said: the state, in our machine's words, and all that it told of the action."""

    state: str
    told: dict[str, Any]


def polled_status(answer: bytes, action_id: str) -> PolledStatus | None:
    """Of an answer's body; None where it tells no state that is known, or is about another action. Never raises."""
    document = loads(answer)
    told = document.get("data") if isinstance(document, dict) and document.get("success") is not False else None
    if type(told) is not dict or told.get("id", action_id) != action_id:
        return None
    status = told.get("status")
    return PolledStatus(status, told) if type(status) is str and status in _TYPES else None


def polled_body(action_id: str, status: PolledStatus, now: Instant) -> bytes:
    r"""The body that the log keeps of it; `read_polled` reads it. It happened when the answer says, else now.

    A lone surrogate in the answer is written as it came: as `\ud800`, for which UTF-8 has no bytes.
    """
    times = (instant(status.told[name]) for name in _TIMES if status.told.get(name) is not None)
    at = next((one for one in times if one is not None), now)
    document = {"polled": status.state, "action_id": action_id, "occurred_at": at, "answer": status.told}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def is_polled(body: bytes) -> bool:
    """Whether we asked for it: no provider's body begins so."""
    return body.startswith(_BEGINS)


def read_polled(body: bytes) -> Reading | Unreadable:
    """Reads a body made by `polled_body`. Never raises."""
    return read_with(_read, body)


def _read(document: Document) -> Reading:
    state, at, answer = document.get("polled"), document.get("occurred_at"), document.get("answer")
    if type(state) is not str or state not in _TYPES or type(at) is not int or type(answer) is not dict:
        raise UnusableFieldError("not a polled action")
    action_id = identifier(document, "action_id")
    data = action_fields(answer) | {"told": True, "polled": True, "action_id": action_id}
    return Reading("action", action_id, _TYPES[state], None, at, data)
