"""Writes events as a batch of CloudEvents 1.0 (JSON format, section 4: a JSON array), one event to a line."""

from collections.abc import Iterator
from typing import Any

import msgspec

from adapters.archive.export import ExportProgress
from adapters.sql import ExportedEvent, ExportReader, Selection
from core.instants import utc

UNKNOWN = "unknown"


def cloud_events(whole: ExportReader, chosen: Selection, tell: ExportProgress) -> Iterator[bytes]:
    """The batch in pieces. An event's `id` is its key, unique in its `source`, the same in every copy of the log."""
    extent, providers = whole.extent(), whole.providers()
    before = b"[\n"
    for row in whole.events(chosen, extent):
        tell(row.position, extent.position)
        yield before + msgspec.json.encode(_event(row, providers.get(row.source) or UNKNOWN))
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _event(row: ExportedEvent, provider: str) -> dict[str, Any]:
    """Extension attributes have lower-case names; their integers have 32 bits only, so numbers are text."""
    attributes = {
        "specversion": "1.0",
        "id": row.key.hex(),
        "source": f"/sources/{row.source}",
        "type": f"{provider}.{row.type or row.sent or row.reading}",
        "subject": row.stream,
        "time": None if row.occurred_at is None else utc(row.occurred_at),
        "position": str(row.position),
        "sequence": None if row.sequence is None else str(row.sequence),
        "reading": row.reading,
        "receivedtime": utc(row.received_at),
        "recordedtime": utc(row.recorded_at),
        "verifiedby": row.verified_by,
    }
    return {name: value for name, value in attributes.items() if value is not None} | _data(row)


def _data(row: ExportedEvent) -> dict[str, Any]:
    """The body: unchanged JSON if it could be read, else base64."""
    if row.body is None:
        return {}
    if row.reading == "undecodable":
        return {"datacontenttype": "application/octet-stream", "data_base64": row.body}
    return {"datacontenttype": "application/json", "data": msgspec.Raw(row.body)}
