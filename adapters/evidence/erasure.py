"""The certificate of an erasure: a signed note that says what was destroyed, and what covers the telling."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from adapters.audit import CheckpointSigner, KeyChain
from adapters.sql import Erasure, RecordedErasure
from core.event import Instant
from core.instants import moment_of
from core.proofs import note
from core.proofs.note import Checkpoint

HEAD = "hookfold erasure certificate v1"
"""Its first line: no checkpoint begins so, and no certificate has a checkpoint's second line."""

MOST_LISTED = 10_000
"""Ranges of positions, and ids of streams, of a certificate: with more, the note would be longer than one may be."""

Span = tuple[int, int]
"""The first and the last of consecutive positions."""


class ErasureCertificate(msgspec.Struct, kw_only=True):
    """What a certificate says. `positions`: of the events that tell of the erasure; `streams`, `events`: how many.

    `erased`: the positions of the erased events, as ranges; `stream_ids`: our ids of the streams. Each is left out
    where there are more than `MOST_LISTED`. `erased_sha256`: over all those positions, see `digest`. None of the three
    is in a certificate of an older release.
    """

    request: str
    positions: list[int]
    streams: int
    events: int
    rejections: int
    searched: int = 0
    left: int = 0
    stream_ids: list[str] | UnsetType = UNSET
    erased: list[Span] | UnsetType = UNSET
    erased_sha256: str | UnsetType = UNSET
    log: str
    at: str
    who: str
    reason: str
    checkpoint: str


class OpenedCertificate(NamedTuple):
    """A certificate whose signatures hold, and the checkpoint in it, which covers the events that tell."""

    said: ErasureCertificate
    checkpoint: Checkpoint


def certificate(signer: CheckpointSigner, erasure: Erasure, at: Instant, reason: str, by: str | None) -> str:
    """A note signed with the log's key. Raises what `CheckpointSigner.checkpoint` raises."""
    checkpoint, positions = signer.checkpoint(), sorted(erasure.erased)
    ranges = list(spans(positions))
    said = ErasureCertificate(
        request=erasure.request,
        positions=erasure.positions,
        streams=len(erasure.streams),
        events=len(positions),
        rejections=erasure.rejections,
        searched=erasure.searched,
        left=erasure.left,
        stream_ids=sorted(erasure.streams) if len(erasure.streams) <= MOST_LISTED else UNSET,
        erased=ranges if len(ranges) <= MOST_LISTED else UNSET,
        erased_sha256=digest(ranges),
        log=signer.key.name,
        at=moment_of(at).isoformat(timespec="seconds"),
        who=by or "local",
        reason=reason,
        checkpoint=checkpoint,
    )
    return signer.attest(f"{HEAD}\n{msgspec.json.encode(said).decode()}\n")


def opened_certificate(text: str, chain: KeyChain) -> OpenedCertificate:
    """Raises ValueError unless it is one that the log's key signed, with its checkpoint."""
    head, _, document = note.parse(text).text.partition("\n")
    if head != HEAD:
        raise ValueError(f"it does not begin with {HEAD}")
    try:
        said = _document.decode(document)
    except msgspec.DecodeError as error:
        raise ValueError(f"it says something else: {error}") from error
    checkpoint = chain.opened(said.checkpoint)
    chain.attested(text, checkpoint.size)
    return OpenedCertificate(said, checkpoint)


def mismatch(said: ErasureCertificate, recorded: Sequence[RecordedErasure]) -> str | None:
    """What the log records otherwise than a certificate says; None where both agree. `recorded`: of its request."""
    there = {one.position: one for one in recorded}
    for position in said.positions:
        if position not in there:
            return f"the event at position {position} does not tell of this erasure"
    for position, one in there.items():
        if position not in said.positions:
            return f"the event at position {position} tells of this erasure too, and the certificate does not name it"
        if (one.who, one.reason) != (said.who, said.reason):
            return f"the event at position {position} says that {one.who} erased it: {one.reason}"
    return _otherwise_erased(said, recorded)


def erased_by(recorded: Sequence[RecordedErasure]) -> list[Span]:
    """The positions of the events that were erased, as ranges."""
    return list(spans(sorted(position for one in recorded for position in one.erased)))


def spans(positions: Sequence[int]) -> Iterator[Span]:
    """Ascending positions as ranges."""
    first = last = None
    for position in positions:
        if first is None or last is None or position != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = position
        last = position
    if first is not None and last is not None:
        yield first, last


def digest(ranges: Sequence[Span]) -> str:
    """SHA-256 in hex over the ranges, each as `FIRST-LAST` and a line feed, with nothing adjacent left apart."""
    return sha256("".join(f"{first}-{last}\n" for first, last in ranges).encode()).hexdigest()


_document = msgspec.json.Decoder(ErasureCertificate)


def _otherwise_erased(said: ErasureCertificate, recorded: Sequence[RecordedErasure]) -> str | None:
    ranges = erased_by(recorded)
    streams = sorted(stream for one in recorded for stream in one.streams)
    events = sum(last - first + 1 for first, last in ranges)
    if events != said.events:
        return f"the log records {events} erased events, and the certificate {said.events}"
    if len(streams) != said.streams or said.stream_ids not in (UNSET, streams):
        return f"the log records other streams than the certificate: {len(streams)}, which are not its {said.streams}"
    if said.erased not in (UNSET, ranges) or said.erased_sha256 not in (UNSET, digest(ranges)):
        return f"the log records other erased events than the certificate: {spans_in_words(ranges)}"
    return None


MOST_SHOWN = 20
"""Ranges that a line for people has."""


def spans_in_words(ranges: Sequence[Span]) -> str:
    """The first of the ranges for people: `3-9, 12`."""
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_SHOWN])
    return f"{shown}, ... {len(ranges) - MOST_SHOWN} more" if len(ranges) > MOST_SHOWN else shown
