"""WMS: a face scan in the browser; 21 event types, numbered within a session, each with a MAC over its body.

The session's `sequence` numbers its events, the payload's `sequence` numbers intermediate results. Undocumented
variants are accepted: times may have fractions or be milliseconds; the violated constraint and the API's error code may
be in `code`, `constraint`, `errorCode` or `error`, visibility in `state` or `visibility`; a payload may be absent,
null, empty or anything else, and is stored as sent.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import msgspec
from msgspec import Meta

from adapters.providers.fields import (
    LONGEST_WORD,
    Document,
    UnusableFieldError,
    body_identity,
    identifier,
    read_with,
    required,
    type_word,
    unknown_type,
)
from adapters.providers.instants import unix
from adapters.providers.port import Claim, Refused, Sender, SignatureKey, Verified
from adapters.providers.signatures import verify_wms, wms_claim, wms_key
from adapters.providers.strictjson import as_written
from adapters.providers.texts import LONGEST_ID
from core.event import SECOND, Headers, Instant, Reading, Unreadable

_TELLING_OF_A_MEASUREMENT = frozenset(
    {"MEASUREMENT_CREATED", "INTERMEDIATE_RESULTS", "SCAN_COMPLETED", "RESULTS_RECEIVED"}
)
_OTHERS = frozenset(
    {
        "WMS_LOADED",
        "CONFIGURATION_LOADED",
        "CAMERA_PERMISSION_GRANTED",
        "CAMERA_PERMISSION_DENIED",
        "CAMERA_STARTED",
        "MEASUREMENT_STARTED",
        "REDIRECTING_TO_CALLBACK",
        "MEASUREMENT_CANCELED",
        "CONSTRAINT_VIOLATION",
        "PAGE_UNLOADED",
        "WEBSOCKET_DISCONNECTED",
        "WEBSOCKET_RECONNECTED",
        "WEBSOCKET_RECONNECTION_FAILED",
        "API_ERROR",
        "PAGE_VISIBILITY_CHANGE",
        "LOW_SNR",
        "GENERAL_ERROR",
    }
)
_CODES = ("code", "constraint", "errorCode", "error")
_DETAILS = frozenset({"snr", "sequence", "details", "state", "visibility", *_CODES})


@dataclass(frozen=True, slots=True)
class Wms:
    """The webhook of one Config ID: its MAC secrets, and whether the MAC of the published example is accepted too."""

    keys: tuple[SignatureKey, ...]
    node_ascii: bool = False

    name: ClassVar[str] = "wms"
    signed: ClassVar[bool] = True
    keyed_by_body: ClassVar[bool] = True
    patience: ClassVar[Instant] = 10 * SECOND
    beside: ClassVar[frozenset[str]] = frozenset()
    settings: ClassVar[frozenset[str]] = frozenset({"secrets", "node_ascii"})
    types: ClassVar[frozenset[str]] = _TELLING_OF_A_MEASUREMENT | _OTHERS
    names: ClassVar[frozenset[str]] = frozenset(
        {"timestamp", "sessionId", "sequence", "event", "severity", "payload", "measurementId", "snr", "details"}
    )
    type_fields: ClassVar[tuple[str, ...]] = ("event",)

    @classmethod
    def built_from(cls, sender: Sender) -> Self:
        """Takes `secrets` and `node_ascii`. Raises ValueError if a secret is empty."""
        return cls(
            tuple(SignatureKey(secret.ref, wms_key(secret.value)) for secret in sender.secrets), sender.node_ascii
        )

    @staticmethod
    def key_of(secret: str) -> bytes:
        """The secret's own bytes. Raises ValueError if it is empty."""
        return wms_key(secret)

    def machine_of(self, kind: str) -> str:  # noqa: ARG002 - there are sessions only
        """Sessions are folded by the measurement machine."""
        return "measurement"

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:  # noqa: ARG002
        """Verifies the content MAC. It covers no time, so there is no time window."""
        return verify_wms(self.keys, headers, body, node_ascii=self.node_ascii)

    def signed_again(self, headers: Headers, body: bytes, now: Instant) -> Headers:  # noqa: ARG002 - there is nothing to sign
        """The headers unchanged: this provider's signatures have no time."""
        return headers

    def claim(self, headers: Headers) -> Claim | Refused:
        """The claim in the signature's header."""
        return wms_claim(headers)

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads any of the 21 event types, and unknown ones with a number and a time."""
        return _read_as_documented(body) or read_with(_read, body)

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:  # noqa: ARG002
        """Session, sequence and body, since a reload reuses numbers for other bodies."""
        if isinstance(reading, Unreadable) or reading.sequence is None:
            return body_identity(body)
        session = reading.provider_id.encode()
        framed = len(session).to_bytes(4) + session + reading.sequence.to_bytes(8)
        return b"event:" + framed + hashlib.sha256(body).digest()


class _Documented(msgspec.Struct, omit_defaults=True, gc=False):
    """A body with exactly the documented fields in the documented order, none of them null."""

    timestamp: int | float
    sessionId: Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]  # noqa: N815 - the provider's name
    sequence: Annotated[int, Meta(ge=0)]
    event: Annotated[str, Meta(max_length=LONGEST_WORD)]
    severity: Any = None
    payload: Any = None


_documented = msgspec.json.Decoder(_Documented)


def _read_as_documented(body: bytes) -> Reading | None:
    """Parses a body of exactly the documented form, in about 75 % of the general reader's time; None for others.

    A body with a backslash is not tried: an escape may encode a character that text columns cannot store.
    """
    sent = None if b"\\" in body else as_written(_documented, body)
    instant = None if sent is None else unix(sent.timestamp)
    if sent is None or instant is None:
        return None
    try:
        return _reading(sent.sessionId, sent.event, sent.sequence, instant, sent.payload, sent.severity)
    except UnusableFieldError:
        return None


def _read(document: Document) -> Reading:
    session_id = identifier(document, "sessionId")
    word = type_word(document, "event")
    sequence = required(document, "sequence")
    if type(sequence) is not int or sequence < 0:
        raise UnusableFieldError("sequence is not an integer from 0")
    occurred_at = _occurred_at(required(document, "timestamp"))
    return _reading(session_id, word, sequence, occurred_at, document.get("payload"), document.get("severity"))


def _reading(
    session_id: str, word: str, sequence: int, occurred_at: Instant, payload: object, severity: object
) -> Reading:
    data = _payload(payload)
    if "measurement_id" not in data and word in _TELLING_OF_A_MEASUREMENT:
        raise UnusableFieldError("payload has no measurementId")
    if severity is not None:
        data["severity"] = severity
    if word in Wms.types:
        return Reading("session", session_id, word, sequence, occurred_at, data)
    return Reading("session", session_id, word, sequence, occurred_at, data, known=False, notes=unknown_type(word))


def _occurred_at(timestamp: object) -> Instant:
    instant = unix(timestamp) if type(timestamp) is int or type(timestamp) is float else None
    if instant is None:
        raise UnusableFieldError("timestamp is not a Unix time up to the year 9999")
    return instant


def _payload(payload: object) -> Document:
    """The payload's fields under our names, each only if it has the right type; the payload itself as sent."""
    if not payload:
        return {}
    data: Document = {"payload": payload}
    if type(payload) is dict:
        if payload.get("measurementId") is not None:
            data["measurement_id"] = identifier(payload, "measurementId")
        if not _DETAILS.isdisjoint(payload):
            _details(payload, data)
    return data


def _details(payload: Document, data: Document) -> None:
    snr, number, details = payload.get("snr"), payload.get("sequence"), payload.get("details")
    if type(snr) is int or type(snr) is float:
        data["snr"] = float(snr)
    if type(number) is int:
        data["result_sequence"] = number
    if type(details) is str:
        data["details"] = details
    for visible in (payload.get("state"), payload.get("visibility")):
        if type(visible) is str and visible.upper() in ("VISIBLE", "HIDDEN"):
            data["visible"] = visible.upper()
    for code in map(payload.get, _CODES):
        if type(code) is str or type(code) is int:
            data["code"] = code
            break
