"""Records an app's report on an action as an event."""

from collections.abc import Callable

from adapters.providers import read_report, report_body
from adapters.sql import Entry, Receipt
from core.event import Instant


def report_action(
    append: Callable[[Entry], Receipt],
    clock: Callable[[], Instant],
    *,
    source: str,
    key: str,
    action_id: str,
    state: str,
    occurred_at: Instant,
) -> tuple[str, int]:
    """Appends the report. With `append` and `clock` bound, this is `adapters.http.framework.api.ReportAction`."""
    body = report_body(action_id, state, occurred_at)
    entry = Entry(source, clock(), [("idempotency-key", key)], body, None, b"told:" + key.encode(), read_report(body))
    receipt = append(entry)
    return receipt.verdict, receipt.position
