"""The door looks why a signature does not hold, and tells nobody but the record."""

import structlog

from adapters.http import Door
from adapters.providers import sign_wms
from adapters.sql import Receipt, Rejection
from tests.support.deliveries import provider, wms

BODY = b'{"sequence":0}'
OTHER = "another-secret-0123456789abcdefg"
DOOR = Door({"clinic": wms(), "second": wms(OTHER), "captions": provider("mentraos")}, 4_096, lambda: 1)


def rejected(headers, body=BODY):
    item = DOOR.receive("clinic", list(headers.items()), body)
    assert isinstance(item, Rejection)
    return item


def test_a_rejection_carries_what_would_have_matched():
    lost = rejected(sign_wms("wms-test-secret-0123456789abcdef", BODY), BODY + b"\n")
    foreign = rejected(sign_wms(OTHER, BODY))

    assert (lost.reason, lost.status) == (foreign.reason, foreign.status) == ("signature_mismatch", 401)
    assert "with a line feed less" in lost.hint
    assert "of another source" in foreign.hint


def test_where_nothing_would_have_matched_the_hint_says_what_to_compare():
    unknown = rejected(sign_wms("nobody-here-has-this-0123456789ab", BODY))

    assert unknown.hint == (
        "it is not made with env:SECRET_0, neither over the body as it came nor with other line ends or as JSON "
        "written otherwise: compare the secret of the sender with the one here"
    )


def test_the_sender_and_the_lines_of_the_log_are_told_nothing_of_it():
    with structlog.testing.capture_logs() as lines:
        item = rejected(sign_wms(OTHER, BODY))
        answer = DOOR.answer(item, Receipt("rejected", 0))

    assert (answer.status, answer.body) == (401, b'{"status":"error","message":"signature"}')
    assert [set(line) for line in lines] == [{"event", "log_level", "source", "reason", "status", "count", "mend"}]
    assert item.hint not in repr(lines)
    assert OTHER not in item.hint


def test_a_signature_that_is_missing_or_malformed_has_its_own_hint():
    assert rejected({}).reason == "signature_missing"
    assert rejected({"x-wms-content-mac": "sha1=00"}).hint == "not hmac-sha256= and 64 lower-case hex digits"
