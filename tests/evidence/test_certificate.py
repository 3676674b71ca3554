"""The certificate of an erasure, however large that was."""

from collections.abc import Iterator

import pytest
from msgspec import UNSET

from adapters.evidence import certificate, opened_certificate
from adapters.evidence.erasure import MOST_LISTED, digest, mismatch, spans
from adapters.sql import Erasure, RecordedErasure
from core.proofs.note import LARGEST
from tests.support.audited import Audited
from tests.support.logs import NOON, wms


@pytest.fixture
def log(sqlite_url: str) -> Iterator[Audited]:
    made = Audited(sqlite_url)
    made.append(made.entry("clinic", wms("s-1", 0)))
    yield made
    made.close()


def erasure(ranges: int) -> Erasure:
    """So many events, none of which stands beside another one, each of a stream of its own."""
    streams = [f"ses_{number:026}" for number in range(ranges)]
    erased = [10**12 + 2 * number for number in range(ranges)]
    return Erasure("r" * 16, [*range(10**13, 10**13 + ranges // 200 + 1)], streams, erased)


def test_the_longest_lists_fit_into_a_note(log: Audited):
    text = certificate(log.signer, erasure(MOST_LISTED), NOON, "asked for", None)

    said = opened_certificate(text, log.signer.chain()).said
    assert len(text) < LARGEST
    assert said.erased is not UNSET
    assert said.stream_ids is not UNSET
    assert (len(said.erased), len(said.stream_ids)) == (MOST_LISTED, MOST_LISTED)


def test_longer_ones_are_left_out_and_held_by_their_hash(log: Audited):
    large = erasure(MOST_LISTED + 1)

    said = opened_certificate(certificate(log.signer, large, NOON, "asked for", None), log.signer.chain()).said

    assert (said.erased, said.stream_ids, said.erased_sha256) == (UNSET, UNSET, digest([*spans(large.erased)]))
    parts = [RecordedErasure(at, "local", "asked for", [], []) for at in said.positions]
    parts[0].streams, parts[-1].erased = large.streams, large.erased
    assert mismatch(said, parts) is None
    parts[-1].erased = [*large.erased[:-1], large.erased[-1] + 1]
    assert (mismatch(said, parts) or "").startswith("the log records other erased events than the certificate: ")


def test_an_event_that_tells_of_the_same_erasure_and_is_not_named_is_told(log: Audited):
    said = opened_certificate(certificate(log.signer, erasure(1), NOON, "x", None), log.signer.chain()).said
    more = [RecordedErasure(at, "local", "x", [], []) for at in (*said.positions, 7)]

    found = mismatch(said, more)

    assert found == "the event at position 7 tells of this erasure too, and the certificate does not name it"


def test_consecutive_positions_are_one_range():
    assert [*spans([])] == []
    assert [*spans([3, 4, 5, 7, 9, 10])] == [(3, 5), (7, 7), (9, 10)]
