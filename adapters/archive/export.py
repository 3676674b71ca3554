"""Writes the log as sealed JSON Lines, which another Hookfold can import."""

from collections.abc import Callable, Iterator
from heapq import merge
from typing import Any

import msgspec

from adapters.archive.lines import (
    FORMAT,
    CountedConflicts,
    CountedDuplicates,
    DeliveryLine,
    End,
    ErasedLine,
    EventLine,
    HeaderLine,
    Seal,
    SourceLine,
    body_fields,
    headers_text,
    raw,
    unsealed_headers_text,
)
from adapters.sql import Base, ExportedDelivery, ExportedEvent, ExportedStream, ExportReader, Extent, Selection
from core.ids import Ids

ExportProgress = Callable[[int, int | None], None]
"""Receives the progress: the items done, and of how many if that is known."""


def export_lines(whole: ExportReader, ids: Ids, chosen: Selection, tell: ExportProgress) -> Iterator[bytes]:
    """The lines of an export. The same log gives the same bytes. Raises Altered; Unavailable without the database."""
    seal, extent, providers = Seal(ids), whole.extent(), whole.providers()
    yield seal.close(HeaderLine(format=FORMAT, secret=ids.fingerprint(), own=chosen.own, chosen=_said(chosen)))
    known: set[str] = set()
    counts = {EventLine: 0, DeliveryLine: 0}
    for line in _lines(whole, chosen, extent, tell):
        if line.source not in known:
            known.add(line.source)
            yield seal.close(SourceLine(source=line.source, provider=providers.get(line.source)))
        counts[type(line)] += 1
        yield seal.close(line)
    for left in whole.erased(chosen, extent):
        if left.base is not None:
            yield seal.close(_left(left, left.base))
    yield seal.close(End(events=counts[EventLine], deliveries=counts[DeliveryLine]))


def _lines(
    whole: ExportReader, chosen: Selection, extent: Extent, tell: ExportProgress
) -> Iterator[EventLine | DeliveryLine]:
    """Events by position, each followed by the deliveries that were recorded while it was the last one."""
    events = ((row.position, 0, row) for row in whole.events(chosen, extent))
    deliveries = ((row.head, row.delivery, row) for row in whole.deliveries(chosen, extent))
    both: Iterator[tuple[int, int, ExportedEvent | ExportedDelivery]] = merge(
        events, deliveries, key=lambda row: row[:2]
    )
    for place, _, row in both:
        tell(place, extent.position)
        yield _event(row) if isinstance(row, ExportedEvent) else _delivery(row)


def _said(chosen: Selection) -> dict[str, Any] | None:
    if chosen.whole:
        return None
    streams = None if chosen.streams is None else [stream for _, stream in chosen.streams]
    said = {"sources": chosen.sources, "streams": streams, "since": chosen.since, "until": chosen.until}
    return {name: value for name, value in said.items() if value is not None}


def _event(row: ExportedEvent) -> EventLine:
    return EventLine(
        position=row.position,
        source=row.source,
        stream=row.stream,
        kind=row.kind,
        id=row.provider_id,
        opened=row.opened,
        reading=row.reading,
        type=row.type,
        sent=row.sent,
        sequence=row.sequence,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        recorded_at=row.recorded_at,
        verified_by=row.verified_by,
        key=row.key.hex(),
        salt=None if row.salt is None else row.salt.hex(),
        leaf=row.leaf.hex(),
        headers=headers_text(row.headers),
        origin=raw(row.origin),
        commitment=None if row.commitment is None else row.commitment.hex(),
        erased=row.erased,
        retracted=row.retracted,
        duplicates=None if row.duplicates is None else CountedDuplicates(*row.duplicates),
        conflicts=None if row.conflicts is None else CountedConflicts(*row.conflicts),
        **body_fields(row.body),
    )


def _left(row: ExportedStream, base: Base) -> ErasedLine:
    return ErasedLine(
        source=row.source,
        stream=row.stream,
        kind=row.kind,
        opened=row.opened,
        position=base.position,
        measured=msgspec.Raw(msgspec.json.encode(base.measured)),
        snapshot=base.snapshot,
    )


def _delivery(row: ExportedDelivery) -> DeliveryLine:
    told = msgspec.structs.asdict(row)
    told["key"] = None if row.key is None else row.key.hex()
    told["headers"] = unsealed_headers_text(row.headers, f"delivery {row.delivery} of {row.source}")
    return DeliveryLine(**told | {"body": None} | body_fields(row.body))
