"""Amps AI: results of actions pushed to devices, and device connections. Signed by Svix.

The bodies seen are flat and have no event type; an envelope (`eventId`, `type`, `data`) is documented. So the type
comes from the source's configuration, else from a type field, else from the body's shape. By shape, an action failed if
the body has an error code, an error, a `failedAt` or an unsuccessful result, and completed otherwise. Contradictory
signals are recorded but not folded. `device.connected` and `device.reconnected` look alike and are never guessed. A
`completedAt` beside an error code is no contradiction: the newest generation may send both.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

from adapters.providers.fields import (
    Document,
    UnusableFieldError,
    body_identity,
    identifier,
    identifier_if_any,
    moment,
    read_with,
    renamed,
    type_word,
    unknown_type,
)
from adapters.providers.port import Claim, Refused, Sender, SignatureKey, Verified
from adapters.providers.signatures import renew_svix, svix_claim, svix_id, svix_key, verify_svix
from core.event import SECOND, Headers, Instant, Note, Reading, Unreadable

COMPLETED, FAILED = "push.completed", "push.failed"
_DEVICE = frozenset({"device.connected", "device.disconnected", "device.reconnected"})
_TYPE_FIELDS = ("type", "eventType", "event")
NO_TYPE = Note("unknown_type", "actionId is missing, and no type is given")
_TIMES = ("completedAt", "failedAt", "timestamp", "occurredAt", "createdAt")
_FIELDS = {
    "deviceType": "device_type",
    "command": "command",
    "actionType": "action_type",
    "parameters": "parameters",
    "result": "result",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "completedAt": "completed_at",
    "failedAt": "failed_at",
    "eventId": "event_id",
    "reconnectionUrl": "reconnection_url",
}


@dataclass(frozen=True, slots=True)
class Amps:
    """One Amps endpoint: its secrets, and the only type that it receives, if configured."""

    keys: tuple[SignatureKey, ...]
    event_type: str | None = None

    name: ClassVar[str] = "amps"
    signed: ClassVar[bool] = True
    keyed_by_body: ClassVar[bool] = False
    patience: ClassVar[Instant] = 12 * SECOND
    beside: ClassVar[frozenset[str]] = frozenset()
    settings: ClassVar[frozenset[str]] = frozenset(
        {"secrets", "event_type", "overdue_after", "api_url", "api_key", "reconcile_every"}
    )
    types: ClassVar[frozenset[str]] = frozenset({COMPLETED, FAILED}) | _DEVICE
    names: ClassVar[frozenset[str]] = frozenset({"actionId", "deviceId", "error", "data", *_FIELDS, *_TIMES})
    type_fields: ClassVar[tuple[str, ...]] = _TYPE_FIELDS

    @classmethod
    def built_from(cls, sender: Sender) -> Self:
        """Takes `secrets` and `event_type`. Raises ValueError if a secret is not base64."""
        return cls(
            tuple(SignatureKey(secret.ref, svix_key(secret.value)) for secret in sender.secrets), sender.event_type
        )

    @staticmethod
    def key_of(secret: str) -> bytes:
        """Decodes what follows `whsec_`. Raises ValueError if it is not base64."""
        return svix_key(secret)

    def machine_of(self, kind: str) -> str:
        """Actions and devices have machines of their own."""
        return kind

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:
        """Verifies the Svix or the Standard Webhooks headers."""
        return verify_svix(self.keys, headers, body, now)

    def signed_again(self, headers: Headers, body: bytes, now: Instant) -> Headers:
        """Signs again with a new timestamp, in the same triple of headers."""
        return renew_svix(self.keys, headers, body, now)

    def claim(self, headers: Headers) -> Claim | Refused:
        """The claim in the signature's headers."""
        return svix_claim(headers)

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads an action's or a device's event of any generation, flat or in an envelope."""
        return read_with(self._read, body)

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:
        """The message id, which the signature covers and which retries repeat."""
        message_id = "" if isinstance(reading, Unreadable) else svix_id(headers)
        return b"webhook:" + message_id.encode("utf-8", "surrogatepass") if message_id else body_identity(body)

    def _read(self, document: Document) -> Reading:
        inner = _unwrapped(document)
        words = ([self.event_type] if self.event_type else []) + _declared(document)
        word = words[0] if words else _shaped(inner)
        contradiction = _contradiction(words, word, inner)
        if contradiction:
            return _unfolded(document, inner, word, (Note("unknown_type", f"contradictory: {contradiction}"),))
        if word not in Amps.types:
            notes = unknown_type(word) if words or word else (NO_TYPE,)
            return _unfolded(document, inner, word, notes)
        return _known(document, inner, word)


def _unwrapped(document: Document) -> Document:
    """The content of an envelope with the envelope's id; a flat body unchanged."""
    inner = document.get("data")
    if type(inner) is not dict or "actionId" in document or "deviceId" in document:
        return document
    return {"eventId": document.get("eventId"), **inner}


def _declared(document: Document) -> list[str]:
    return [type_word(document, name) for name in _TYPE_FIELDS if type(document.get(name)) is str]


def _shaped(inner: Document) -> str:
    """The type by shape; empty if the shape shows none."""
    if inner.get("actionId") is None:
        return ""
    return FAILED if _tells_failure(inner) else COMPLETED


def _tells_failure(inner: Document) -> bool:
    return (
        inner.get("errorCode") is not None
        or type(inner.get("error")) is dict
        or bool(inner.get("error"))
        or inner.get("failedAt") is not None
        or _success(inner) is False
    )


def _success(inner: Document) -> object:
    result = inner.get("result")
    return result.get("success") if type(result) is dict else None


def _contradiction(words: list[str], word: str, inner: Document) -> str | None:
    """The contradiction among configuration, type fields and shape; None if they agree."""
    if len(set(words)) > 1:
        return " against ".join(repr(word[:80]) for word in dict.fromkeys(words))
    failed, completed_at = _tells_failure(inner), inner.get("completedAt") is not None
    if failed and (_success(inner) is True or (completed_at and inner.get("failedAt") is not None)):
        return "the body tells both a success and a failure"
    if word == COMPLETED and failed:
        return f"{word} with a failure in the body"
    if word == FAILED and not failed and (completed_at or _success(inner) is True):
        return f"{word} with a success in the body"
    if word in _DEVICE and inner.get("actionId") is not None:
        return f"{word} with an actionId"
    return None


def _known(document: Document, inner: Document, word: str) -> Reading:
    occurred_at, notes = _moment(document, inner, word)
    device_id = identifier(inner, "deviceId") if word in _DEVICE else identifier_if_any(inner, "deviceId")
    data = action_fields(inner)
    if word in _DEVICE:
        return Reading("device", str(device_id), word, None, occurred_at, data, notes=notes)
    action_id = identifier(inner, "actionId")
    return Reading("action", action_id, word, None, occurred_at, data, notes=notes, mentions=device_id)


def _unfolded(document: Document, inner: Document, word: str, notes: tuple[Note, ...]) -> Reading:
    """Returns a reading marked as unknown, which is stored but not folded.

    It has every field that can be read, so that a later version can fold it.
    """
    action_id, device_id = identifier_if_any(inner, "actionId"), identifier_if_any(inner, "deviceId")
    try:
        occurred_at, odd = _moment(document, inner, word)
    except UnusableFieldError:
        occurred_at, odd = None, ()
    notes += odd
    if action_id is None and device_id is not None:
        return Reading("device", device_id, word, None, occurred_at, action_fields(inner), known=False, notes=notes)
    data, action = action_fields(inner), action_id or ""
    return Reading("action", action, word, None, occurred_at, data, known=False, notes=notes, mentions=device_id)


def _moment(document: Document, inner: Document, word: str) -> tuple[Instant | None, tuple[Note, ...]]:
    """The time of the event: the action's end according to the type, else any time in the body."""
    names = ("failedAt", *_TIMES) if word == FAILED else _TIMES
    for place in (inner, document):
        for name in names:
            if place.get(name) is not None:
                return moment(place[name], name)
    return None, ()


def action_fields(inner: Document) -> Document:
    """Every documented field of any generation. An `error` object becomes its code and message."""
    data = renamed(inner, {"actionId": "action_id", "deviceId": "device_id", **_FIELDS})
    error = inner.get("error")
    if type(error) is dict:
        data = renamed(error, {"code": "error_code", "message": "error_message"}) | data
    elif type(error) is str:
        data.setdefault("error_message", error)
    return data
