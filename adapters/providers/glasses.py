"""The common part of AugmentOS Cloud and MentraOS Cloud: one product under two names, with one wire format.

Nothing is signed. A `sessionId` is `userId + "-" + package` and is reused for every start. Depending on its year, a
request has none, one or all of three URL fields; all are read for both providers. The documentation requires a URL in
`session_recovery`; no sender of one is known, so any of the three names is accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from adapters.providers.fields import (
    Document,
    UnusableFieldError,
    body_identity,
    identifier,
    identifier_if_any,
    iso_moment,
    read_with,
    renamed,
    required,
    text,
    type_word,
    unknown_type,
)
from adapters.providers.port import Refused, Sender, SignatureKey, Verified
from core.event import SECOND, Headers, Instant, Note, Reading, Unreadable

_URLS = {
    "websocketUrl": "websocket_url",
    "mentraOSWebsocketUrl": "mentraos_websocket_url",
    "augmentOSWebsocketUrl": "augmentos_websocket_url",
}
_OPTIONAL = {**_URLS, "reason": "reason", "packageName": "package_name", "serverUrls": "server_urls"}
_OF_SESSIONS = frozenset({"session_request", "stop_request", "session_recovery"})
_OF_REGISTRATIONS = frozenset({"server_registration", "server_heartbeat"})


@dataclass(frozen=True, slots=True)
class Glasses:
    """A cloud for smart glasses: session and registration webhooks, unsigned."""

    name: ClassVar[str]
    signed: ClassVar[bool] = False
    keyed_by_body: ClassVar[bool] = True
    keys: ClassVar[tuple[SignatureKey, ...]] = ()
    patience: ClassVar[Instant] = 9 * SECOND
    beside: ClassVar[frozenset[str]] = frozenset({"/health", "/photo-upload", "/settings", "/tool"})
    settings: ClassVar[frozenset[str]] = frozenset({"allowed_websocket_hosts", "package_name", "presumed_ended_after"})
    types: ClassVar[frozenset[str]] = _OF_SESSIONS | _OF_REGISTRATIONS
    names: ClassVar[frozenset[str]] = frozenset(
        {"type", "sessionId", "userId", "timestamp", "registrationId", *_OPTIONAL}
    )
    type_fields: ClassVar[tuple[str, ...]] = ("type",)

    @classmethod
    def built_from(cls, sender: Sender) -> Self:  # noqa: ARG003 - nothing is configured about an unsigned wire
        """Takes nothing from the configuration."""
        return cls()

    @staticmethod
    def key_of(secret: str) -> bytes:  # noqa: ARG004 - there is no key
        """Raises ValueError: this provider signs nothing."""
        raise ValueError("this provider signs nothing")

    def machine_of(self, kind: str) -> str:
        """Sessions and registrations have machines of their own."""
        return kind

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:  # noqa: ARG002
        """Accepts everything as unsigned."""
        return Verified(None)

    def signed_again(self, headers: Headers, body: bytes, now: Instant) -> Headers:  # noqa: ARG002 - there is nothing to sign
        """The headers unchanged: this provider's signatures have no time."""
        return headers

    def claim(self, headers: Headers) -> Refused:  # noqa: ARG002 - no header claims anything here
        """Refuses: there is no signature."""
        return Refused("unsigned")

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads any of the five documented webhooks, of any year."""
        return read_with(_read, body)

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:  # noqa: ARG002
        """The body's hash, because retries repeat the bytes."""
        return body_identity(body)


def _read(document: Document) -> Reading:
    word = type_word(document, "type")
    require = _REQUIRED.get(word)
    if require is None:
        return _unknown(document, word)
    session_id, user_id = identifier(document, "sessionId"), identifier(document, "userId")
    occurred_at, notes = iso_moment(required(document, "timestamp"), "timestamp")
    require(document)
    data = {"session_id": session_id, "user_id": user_id, **renamed(document, _OPTIONAL)}
    if word not in _OF_REGISTRATIONS:
        return Reading("session", session_id, word, None, occurred_at, data, notes=notes)
    data["registration_id"] = registration_id = identifier(document, "registrationId")
    return Reading("registration", registration_id, word, None, occurred_at, data, notes=notes)


def _unknown(document: Document, word: str) -> Reading:
    """Returns a reading of an undocumented type, marked as unknown, which is stored but not folded.

    It has every field that can be read, so that a later version can fold it.
    """
    ids = {"sessionId": "session_id", "userId": "user_id", "registrationId": "registration_id"}
    known = {ours: identifier_if_any(document, sent) for sent, ours in ids.items()}
    data = {ours: value for ours, value in known.items() if value is not None} | renamed(document, _OPTIONAL)
    occurred_at, notes = _moment_if_any(document)
    provider_id = known["session_id"] or ""
    return Reading("session", provider_id, word, None, occurred_at, data, known=False, notes=unknown_type(word) + notes)


def _moment_if_any(document: Document) -> tuple[Instant | None, tuple[Note, ...]]:
    try:
        return iso_moment(document.get("timestamp"), "timestamp")
    except UnusableFieldError:
        return None, ()


def _nothing(document: Document) -> None:
    """No field beyond those of every type."""


def _a_reason(document: Document) -> None:
    text(document, "reason")


def _a_url(document: Document) -> None:
    if not any(type(document.get(name)) is str for name in _URLS):
        raise UnusableFieldError("session_recovery has no WebSocket URL")


def _a_registration(document: Document) -> None:
    text(document, "packageName")
    urls = required(document, "serverUrls")
    if type(urls) is not list or any(type(url) is not str for url in urls):
        raise UnusableFieldError("serverUrls is not a list of strings")


_REQUIRED: dict[str, Callable[[Document], None]] = {
    "session_request": _nothing,
    "stop_request": _a_reason,
    "session_recovery": _a_url,
    "server_registration": _a_registration,
    "server_heartbeat": _nothing,
}
