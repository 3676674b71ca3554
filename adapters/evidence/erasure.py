"""The certificate of an erasure: a signed note of what was destroyed, with a checkpoint that covers its events."""

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
"""Its first line. No certificate can be taken for a checkpoint, whose second line is a number."""

MOST_LISTED = 10_000
"""The most ranges of positions, and the most ids of streams, in a certificate, because a note's size is limited."""

Span = tuple[int, int]
"""The first and the last position of a range."""


class ErasureCertificate(msgspec.Struct, kw_only=True):
    """The content of a certificate. `positions` are those of the events that record the erasure.

    `streams` and `events` count what was erased. `erased` has the positions of the erased events as ranges,
    `stream_ids` our ids of the streams; each is left out if there are more than `MOST_LISTED`. `erased_sha256` is the
    `digest` of all these ranges. Certificates of older releases lack these three.
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
    """A certificate whose signatures were verified, and the checkpoint in it."""

    said: ErasureCertificate
    checkpoint: Checkpoint


def certificate(signer: CheckpointSigner, erasure: Erasure, at: Instant, reason: str, by: str | None) -> str:
    """The certificate as a note signed with the log's key. Raises as `CheckpointSigner.checkpoint`."""
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
    """Parses and verifies a certificate. Raises ValueError unless the log's key signed it and its checkpoint."""
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
    """How a certificate and the log differ; None if they agree. `recorded` is what the log has under its request."""
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
    """The positions of the erased events, as ranges."""
    return list(spans(sorted(position for one in recorded for position in one.erased)))


def spans(positions: Sequence[int]) -> Iterator[Span]:
    """Joins ascending positions into ranges."""
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
    """SHA-256 in hex over the lines `FIRST-LAST`, one for each range. Adjacent ranges must have been joined."""
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
"""The most ranges that `spans_in_words` writes out."""


def spans_in_words(ranges: Sequence[Span]) -> str:
    """The first ranges as text: `3-9, 12`, and how many more there are."""
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:MOST_SHOWN])
    return f"{shown}, ... {len(ranges) - MOST_SHOWN} more" if len(ranges) > MOST_SHOWN else shown
