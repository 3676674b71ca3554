"""What an app tells of an action that it pushed: Amps sends webhooks for terminal states only."""

from collections.abc import Callable

import msgspec

from adapters.providers.fields import Document, UnusableFieldError, identifier, read_with
from adapters.providers.port import Provider
from core.event import Instant, Reading, Unreadable

TOLD_STATES = frozenset({"acknowledged", "scheduled", "cancelled"})
"""The states that an app may tell; terminal ones besides `cancelled` come by webhook."""


def told(action_id: str, state: str, occurred_at: Instant) -> bytes:
    """The body that the log keeps of it; `read_told` reads it. The same arguments give the same bytes."""
    return msgspec.json.encode({"told": state, "action_id": action_id, "occurred_at": occurred_at})


def read_told(body: bytes) -> Reading | Unreadable:
    """Reads a body made by `told`. Never raises."""
    return read_with(_read, body)


def reader(provider: Provider) -> Callable[[str | None, bytes], Reading | Unreadable]:
    """What reads a source's bodies by their types: as told where an app told them, else as its provider does."""

    def read(kind: str | None, body: bytes) -> Reading | Unreadable:
        return read_told(body) if kind in TOLD_STATES else provider.read(body)

    return read


def _read(document: Document) -> Reading:
    state, occurred_at = document.get("told"), document.get("occurred_at")
    if type(state) is not str or state not in TOLD_STATES or type(occurred_at) is not int:
        raise UnusableFieldError("not a told action")
    action_id = identifier(document, "action_id")
    return Reading("action", action_id, state, None, occurred_at, {"told": True, "action_id": action_id})
