"""Why a signature does not hold: told for the likeliest causes, with names of secrets and never a secret."""

import json

import pytest

from adapters.providers import Refused, diagnose, sign_svix, sign_wms, tried
from adapters.providers.diagnosis import LARGEST_PARSED, MOST_HASHED
from tests.support.deliveries import SVIX_SECRET, WMS_SECRET, amps, wms

BODY = '{"sequence": 0, "sessionId": "café", "payload": {"snr": 1.5}}'.encode()
OTHER = "another-secret-0123456789abcdefg"


def hint(provider, signed, body, *, strangers=(), sign=None):
    """What is found where `signed` was signed and `body` came."""
    headers = list((sign or (lambda text: sign_wms(WMS_SECRET, text)))(signed).items())
    assert isinstance(provider.verify(headers, body, None), Refused)
    return diagnose(provider.claim(headers), provider.keys, strangers, body)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (BODY + b"\n", "a line feed less"),
        (BODY + b"\r\n", "a line feed less"),
        (b"\xef\xbb\xbf" + BODY, "without the byte order mark"),
        (
            json.dumps(json.loads(BODY), indent=4).encode(),
            "the same JSON written otherwise (with spaces behind , and :)",
        ),
    ],
)
def test_what_the_way_did_to_a_body_is_named(came, words):
    told = hint(wms(), BODY, came)

    assert words in told
    assert "env:SECRET_0" in told


def test_a_body_that_lost_its_line_feed_or_had_it_turned_is_told():
    assert "a line feed more" in hint(wms(), BODY + b"\n", BODY)
    assert "CR LF instead of line feeds" in hint(wms(), b"{\r\n}", b"{\n}")
    assert "line feeds instead of CR LF" in hint(wms(), b"{\n}", b"{\r\n}")


def test_a_body_that_was_parsed_and_written_anew_is_told_for_either_scheme():
    compact = json.dumps(json.loads(BODY), separators=(",", ":"), ensure_ascii=False).encode()

    by_mac = hint(wms(), compact, BODY)
    by_svix = hint(amps(), compact, BODY, sign=lambda text: sign_svix(SVIX_SECRET, "msg_1", 1_700_000_000, text))

    assert "written otherwise (compact)" in by_mac
    assert "written otherwise (compact)" in by_svix


def test_a_hint_says_that_the_secret_is_right_and_leaves_open_who_changed_the_body():
    told = hint(wms(), BODY, BODY + b"\n")

    assert told == (
        "the secret env:SECRET_0 is right, but it signed the body with a line feed less at the end: "
        "what signs has to sign the bytes that it sends, and what is on the way has to pass them as they are"
    )


@pytest.mark.parametrize(("size", "told"), [(10, True), (LARGEST_PARSED + 1, False)])
def test_of_a_body_that_is_too_large_to_parse_no_hint_says_that_its_json_was_tried(size, told):
    assert ("as JSON written otherwise" in tried(b"x" * size)) is told


def test_the_secret_of_another_source_is_told_by_its_name():
    stranger = wms(OTHER).keys[0]

    told = hint(wms(), BODY, BODY, strangers=[stranger], sign=lambda text: sign_wms(OTHER, text))

    assert told.startswith("it matches under env:SECRET_0 of another source")
    assert OTHER not in told


def test_nothing_is_made_up_where_nothing_fits():
    assert hint(wms(), b"something else", BODY) is None
    assert hint(wms(), b"something else", b"[" * 10_000) is None


def test_a_large_body_costs_no_more_than_a_bound_and_the_hint_says_that_not_all_was_tried():
    told = hint(wms(), b"something else", b"\n" * (MOST_HASHED // 2))

    assert "too large for all to be tried" in told


@pytest.mark.parametrize(("sent", "reason"), [(1_700_000_000 - 412, "stale"), (1_700_000_000 + 500, "future")])
def test_an_old_or_early_signature_says_by_how_much(sent, reason):
    headers = list(sign_svix(SVIX_SECRET, "msg_1", sent, BODY).items())

    refused = amps().verify(headers, BODY, 1_700_000_000_000_000)

    assert refused.reason == reason
    assert ("412 s" if reason == "stale" else "500 s") in refused.hint
