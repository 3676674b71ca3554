"""The record of an erasure: when, by whom, and why."""

from adapters.http.presenters import shapes
from adapters.sql import Reads, own_source
from core.event import Reading
from core.instants import utc


def told_by(reads: Reads, position: int) -> shapes.ErasureRecord:
    """The record from the event at the position. Only the position if an import left that event out."""
    told = own_source().read(None, reads.body(position) or b"")
    said = told.data if isinstance(told, Reading) else {}
    event = reads.event(position)
    at = utc(event.recorded_at) if event is not None and "reason" in said else None
    return shapes.ErasureRecord(position, at, said.get("who"), said.get("reason"))


def words(erasure: shapes.ErasureRecord) -> str:
    """The record as text: `erased at … by ada (asked for), as the event at position 4 tells`."""
    how = "" if erasure.at is None else f" at {erasure.at} by {erasure.by} ({erasure.reason})"
    return f"erased{how}, as the event at position {erasure.position} tells"
