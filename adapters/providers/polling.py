"""Polls Amps for an action (`GET /actions/{id}`), because webhooks come only for completed and failed ones and may be
lost. We record the result as an event of the action; a webhook takes precedence.
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
    """The provider's response: the state in our machine's words, and the action's fields."""

    state: str
    told: dict[str, Any]


def polled_status(answer: bytes, action_id: str) -> PolledStatus | None:
    """Parses a response's body; None if it has no known state or is about another action. Never raises."""
    document = loads(answer)
    told = document.get("data") if isinstance(document, dict) and document.get("success") is not False else None
    if type(told) is not dict or told.get("id", action_id) != action_id:
        return None
    status = told.get("status")
    return PolledStatus(status, told) if type(status) is str and status in _TYPES else None


def polled_body(action_id: str, status: PolledStatus, now: Instant) -> bytes:
    r"""The stored body of a result, which `read_polled` reads. Its time is the response's, else now.

    A lone surrogate in the response is written as it came, as `\ud800`, because UTF-8 cannot encode it.
    """
    times = (instant(status.told[name]) for name in _TIMES if status.told.get(name) is not None)
    at = next((one for one in times if one is not None), now)
    document = {"polled": status.state, "action_id": action_id, "occurred_at": at, "answer": status.told}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def is_polled(body: bytes) -> bool:
    """Whether the body is a result of polling. No provider's body begins like it."""
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
