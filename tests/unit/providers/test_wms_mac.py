"""The MAC of WMS: over the raw bytes; over node's ascii where that is wanted and nothing can be forged by it."""

import hmac
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers import Refused, sign_wms
from adapters.providers.port import Verified
from adapters.providers.signatures import node_ascii_bytes
from tests.support.deliveries import WMS_SECRET, wms

TEMPLATE = (
    '{"timestamp":1689684577,"sessionId":"<X>","sequence":0,"event":"MEASUREMENT_CREATED","severity":"INFO",'
    '"payload":{"measurementId":"f0c8ca8d-111d-4dcf-a69d-46ed39a2db06"}}'
)
KNOWN = [
    (
        "ryueiwoqfh910fu3rpqruvfiu",
        "ccb2fccbc14302a97731453300611e40ebbf2c6133deeedec70eb6fe9839a5a5",
        "ccb2fccbc14302a97731453300611e40ebbf2c6133deeedec70eb6fe9839a5a5",
    ),
    (
        "session-café",
        "249f4807efe5660b2145233c01516b571612ce620bd8b6490eecaf0d2d67af7f",
        "b66222c16507e3452d8ec7de5f9df069a5170e065e5ec0a89ae93c77efbe67e9",
    ),
    (
        "session-😀",
        "0cabd8167e360494fd6b60074dacd2c66d99e003fd90fa687cc8d7057f18ec70",
        "9f4c3a8e0a74f5b740ef14afe371a028962ceb5901fd27afab1dd7a9d1098200",
    ),
]
PLAIN = TEMPLATE.encode()
GOOD = hmac.digest(WMS_SECRET.encode(), PLAIN, "sha256").hex()


def body_of(session):
    return TEMPLATE.replace("<X>", session).encode()


def macs(*values):
    return [("host", "example.com"), *(("x-wms-content-mac", value) for value in values)]


@pytest.mark.parametrize(("session", "_node", "raw"), KNOWN)
def test_the_known_answers_over_raw_bytes_are_authentic(session, _node, raw):
    assert wms().verify(macs(f"hmac-sha256={raw}"), body_of(session), None) == Verified("env:SECRET_0")


def test_a_known_answer_under_node_ascii_is_refused_unless_opted_in():
    session, node, _ = KNOWN[1]
    headers = macs(f"hmac-sha256={node}")

    by_default = wms().verify(headers, body_of(session), None)
    opted_in = wms(node_ascii=True).verify(headers, body_of(session), None)

    assert by_default == Refused("node_ascii_only", by_default.hint)
    assert opted_in == Verified("env:SECRET_0")


def test_a_code_point_beyond_u00ff_is_refused_under_node_ascii_always():
    session, node, _ = KNOWN[2]

    refused = wms(node_ascii=True).verify(macs(f"hmac-sha256={node}"), body_of(session), None)

    assert refused.reason == "node_ascii_only"
    assert "matches only under node-ascii" in refused.hint


def test_the_forgery_that_node_ascii_lets_through_is_refused():
    genuine, forged = body_of("sess-0001"), body_of("sess-000ı")
    headers = list(sign_wms(WMS_SECRET, genuine).items())

    assert node_ascii_bytes(forged) == genuine
    assert wms(node_ascii=True).verify(headers, forged, None).reason == "node_ascii_only"


def test_a_mac_over_raw_bytes_does_not_pass_for_the_text_that_has_these_bytes_as_letters():
    genuine, forged = body_of("é"), body_of("Ã©")
    headers = list(sign_wms(WMS_SECRET, genuine).items())

    assert node_ascii_bytes(forged) == genuine
    assert wms(node_ascii=True).verify(headers, forged, None).reason == "node_ascii_only"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "signature_missing"),
        ("hmac-sha256=", "signature_malformed"),
        (GOOD, "signature_malformed"),
        (f"hmac-sha256={GOOD[:-1]}", "signature_malformed"),
        (f"hmac-sha256={GOOD}0", "signature_malformed"),
        (f"hmac-sha256={GOOD.upper()}", "signature_malformed"),
        (f"hmac-sha512={GOOD}", "signature_malformed"),
        (f"HMAC-SHA256={GOOD}", "signature_malformed"),
        (f"sha256={GOOD}", "signature_malformed"),
        (f" hmac-sha256={GOOD}", "signature_malformed"),
        (f"hmac-sha256={GOOD}\n", "signature_malformed"),
        (f"hmac-sha256={GOOD},hmac-sha256={GOOD}", "signature_malformed"),
        (f"hmac-sha256={'é' * 64}", "signature_malformed"),
        (f"hmac-sha256={'0' * 64}", "signature_mismatch"),
        ("x" * 1_000_000, "signature_malformed"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(value, reason):
    assert wms().verify(macs(value), PLAIN, None).reason == reason


def test_a_missing_header_is_refused():
    assert wms().verify([("host", "example.com")], PLAIN, None).reason == "signature_missing"


@pytest.mark.parametrize("others", [("0" * 64, GOOD), (GOOD, "0" * 64), (GOOD, GOOD)])
def test_the_header_twice_is_refused_whichever_is_good(others):
    headers = macs(*(f"hmac-sha256={value}" for value in others))

    assert wms().verify(headers, PLAIN, None).reason == "signature_repeated"


def test_one_changed_byte_is_refused():
    assert wms().verify(macs(f"hmac-sha256={GOOD}"), PLAIN + b" ", None).reason == "signature_mismatch"


def test_the_second_of_two_secrets_is_named_and_a_removed_one_refused():
    headers = list(sign_wms("the newer one", PLAIN).items())

    assert wms(WMS_SECRET, "the newer one").verify(headers, PLAIN, None) == Verified("env:SECRET_1")
    assert wms(WMS_SECRET).verify(headers, PLAIN, None).reason == "signature_mismatch"


def test_bytes_that_are_no_utf8_are_authentic_when_their_mac_is():
    body = b"\xff\xfe"

    assert wms().verify(list(sign_wms(WMS_SECRET, body).items()), body, None) == Verified("env:SECRET_0")
    assert wms(node_ascii=True).verify(macs(f"hmac-sha256={GOOD}"), body, None).reason == "signature_mismatch"


@given(st.text(st.characters(max_codepoint=0xFF, exclude_categories=["Cs"])))
def test_under_node_ascii_a_mac_stands_for_one_body_only(text):
    body = text.encode()
    headers = macs("hmac-sha256=" + hmac.digest(WMS_SECRET.encode(), node_ascii_bytes(body), "sha256").hex())

    verdict = wms(node_ascii=True).verify(headers, body, None)

    if isinstance(verdict, Verified) and not text.isascii():
        with pytest.raises(UnicodeDecodeError):
            node_ascii_bytes(body).decode()


def test_an_empty_secret_is_none():
    with pytest.raises(ValueError, match="it is empty"):
        wms("")


NODE = """
const crypto = require('crypto');
const body = Buffer.from(process.argv[2], 'hex');
const hmac = crypto.createHmac('sha256', process.argv[1]);
hmac.update(body.toString(), 'ascii');
process.stdout.write('hmac-sha256=' + hmac.digest('hex'));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
@pytest.mark.parametrize(
    "body", [PLAIN, body_of("café"), body_of("😀"), body_of("ı"), b"\xff\xe9\x00", b"\xef\xbb\xbf{}"]
)
def test_what_node_computes_as_documented_is_what_we_take_for_it(body):
    ran = subprocess.run(
        [shutil.which("node") or "", "-e", NODE, WMS_SECRET, body.hex()], capture_output=True, check=True, text=True
    )

    ours = hmac.digest(WMS_SECRET.encode(), node_ascii_bytes(body), "sha256").hex()

    assert ran.stdout == f"hmac-sha256={ours}"
    expected = Verified if body.isascii() or body == body_of("café") else Refused
    assert isinstance(wms(node_ascii=True).verify(macs(ran.stdout), body, None), expected)
