"""Whatever the bytes and the headers, verifying and reading end with an answer, the same one each time."""

import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.providers import PROVIDERS, Refused, read_report, sign_svix, sign_wms
from adapters.providers.port import Verified
from core.event import Reading, Unreadable
from tests.support.deliveries import SVIX_SECRET, WMS_SECRET, amps, provider, wms

ALL = [provider("augmentos"), provider("mentraos"), amps(), amps(event_type="push.failed"), wms(), wms(node_ascii=True)]
NAMES = """
    type eventType event sessionId userId timestamp reason registrationId packageName serverUrls websocketUrl
    actionId deviceId result error errorCode failedAt completedAt data eventId sequence payload severity
""".split()
WORDS = sorted({word for known in PROVIDERS.values() for word in known.types})
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


def documents(values):
    return st.dictionaries(st.sampled_from([*NAMES, "measurementId", "snr", "success", "code"]) | ANY_TEXT, values)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from([*WORDS, "2023-04-01T12:30:45Z", "2023-04-01T12:30:45"])
    | st.sampled_from([1689684577, 1689684577.5, 1689684577000])
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | documents(inner), max_leaves=8)


DOCUMENTS = documents(VALUES)


def plausible(word):
    """A body that is nearly right: what one wrong field does is seen only where the others are right."""
    ids = {"sessionId": "s", "userId": "u", "registrationId": "r", "actionId": "a", "deviceId": "d"}
    rest = {"sequence": 1, "reason": "x", "packageName": "p", "serverUrls": ["u"], "websocketUrl": "w"}
    return ids | rest | {"timestamp": 1689684577, "type": word, "event": word, "payload": {"measurementId": "m"}}


def strings(value):
    """Every string in parsed JSON, names too."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


NEARLY_RIGHT: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.sampled_from(WORDS).map(plausible)
JSON = st.builds(lambda right, rest: json.dumps(right | rest).encode(), NEARLY_RIGHT, DOCUMENTS)
BODIES = st.binary(max_size=100) | JSON
SVIX_NAMES = ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-timestamp", "webhook-signature"]
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([*SVIX_NAMES, "x-wms-content-mac", "host"]),
        ANY_TEXT | st.sampled_from(["1614265330", "v1," + "A" * 43 + "=", "hmac-sha256=" + "0" * 64]),
    ),
    max_size=6,
)
thoroughly = settings(max_examples=200)
"""Each example is tried with every sender: to draw one costs more than that."""


@thoroughly
@given(BODIES)
@example(b"")
@example(b"[" * 100_000)
def test_reading_ends_with_an_answer_that_can_be_stored(body):
    for reading in (*(sender.read(body) for sender in ALL), read_report(body)):
        assert isinstance(reading, Reading | Unreadable)
        assert "\0" not in "".join(strings(msgspec.to_builtins(reading)))
        assert msgspec.json.encode(reading)
    for sender in ALL:
        assert sender.read(body) == sender.read(body), sender


@thoroughly
@given(HEADERS, BODIES, st.integers(0, 2**62) | st.none())
def test_nothing_unsigned_is_taken_by_who_signs(headers, body, now):
    for sender in ALL:
        verdict = sender.verify(headers, body, now)

        assert isinstance(verdict, Refused) if sender.signed else verdict == Verified(None), sender


@thoroughly
@given(HEADERS, BODIES)
def test_everything_has_an_identity(headers, body):
    for sender in ALL:
        reading = sender.read(body)

        assert sender.identity(headers, body, reading) == sender.identity(headers, body, reading), sender


@given(st.binary(max_size=200))
def test_whatever_bytes_are_signed_are_authentic(body):
    svix = list(sign_svix(SVIX_SECRET, "msg_1", 1, body).items())

    assert amps().verify(svix, body, None) == Verified("env:SECRET_0")
    assert wms().verify(list(sign_wms(WMS_SECRET, body).items()), body, None) == Verified("env:SECRET_0")
