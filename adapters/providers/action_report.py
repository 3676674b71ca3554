"""An app's reports on actions that it pushed, since Amps sends webhooks for terminal states only."""

from collections.abc import Callable

import msgspec

from adapters.providers.fields import Document, UnusableFieldError, identifier, read_with
from adapters.providers.outcome import read_outcome
from adapters.providers.polling import is_polled, read_polled
from adapters.providers.port import Provider
from core.event import Instant, Reading, Unreadable
from core.ordering.order import OUTCOMES

REPORTED_STATES = frozenset({"acknowledged", "scheduled", "cancelled"})
"""The states that an app may report. Terminal states other than `cancelled` come by webhook."""


def is_senders(kind: str | None, body: bytes) -> bool:
    """Whether a delivery of this documented type came from the provider rather than from us or an app."""
    return kind not in OUTCOMES and kind not in REPORTED_STATES and not is_polled(body)


def report_body(action_id: str, state: str, occurred_at: Instant) -> bytes:
    """The stored body of a report, which `read_report` reads. Equal arguments give equal bytes."""
    return msgspec.json.encode({"told": state, "action_id": action_id, "occurred_at": occurred_at})


def read_report(body: bytes) -> Reading | Unreadable:
    """Reads a body made by `report_body`. Never raises."""
    return read_with(_read, body)


def reader(provider: Provider) -> Callable[[str | None, bytes], Reading | Unreadable]:
    """The function that reads a source's bodies by type: our own and an app's reports, else the provider's."""

    def read(kind: str | None, body: bytes) -> Reading | Unreadable:
        if kind in OUTCOMES:
            return read_outcome(body)
        if is_polled(body):
            return read_polled(body)
        return read_report(body) if kind in REPORTED_STATES else provider.read(body)

    return read


def _read(document: Document) -> Reading:
    state, occurred_at = document.get("told"), document.get("occurred_at")
    if type(state) is not str or state not in REPORTED_STATES or type(occurred_at) is not int:
        raise UnusableFieldError("not a told action")
    action_id = identifier(document, "action_id")
    return Reading("action", action_id, state, None, occurred_at, {"told": True, "action_id": action_id})
