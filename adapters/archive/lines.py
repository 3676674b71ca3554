"""The lines of an export: one JSON object each, sealed by a hash chain through the whole file.

A line's hash is an HMAC-SHA256, under a key derived from the service's secret, over the previous line's hash and the
line without the hash. So without the secret no byte can be changed, and no line moved, added or removed.
"""

import hmac
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from core.event import Instant
from core.header_codec import as_stored, unpack
from core.ids import Ids

FORMAT = 1

_BEFORE, _BEHIND = b',"hash":"', b'"}'
_SEALED = len(_BEFORE) + 64 + len(_BEHIND)


Document = msgspec.Raw | UnsetType
"""A stored JSON document, byte for byte as it is stored."""


class _Line(msgspec.Struct, kw_only=True, tag_field="line", forbid_unknown_fields=True, omit_defaults=True, gc=False):
    pass


class HeaderLine(_Line, tag="header", kw_only=True):
    """The first line. `secret` is the fingerprint of the service's secret; `chosen` limits the export."""

    format: int
    secret: str
    own: bool = False
    chosen: dict[str, Any] | None = None


class SourceLine(_Line, tag="source", kw_only=True):
    """Precedes the first line of a source."""

    source: str
    provider: str | None = None


class CountedDuplicates(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Duplicates that are only counted: how many, and `head` and `recorded_at` of the last one."""

    times: int
    head: int
    recorded_at: Instant


class CountedConflicts(CountedDuplicates, forbid_unknown_fields=True, gc=False):
    """The same for conflicts, with `head` and `recorded_at` of the first one."""

    first_head: int
    first_recorded_at: Instant


class EventLine(_Line, tag="event", kw_only=True):
    """An event. Instants are microseconds since 1970. Bytes are hex, except the body, which is text, else base64.

    `headers` are field lines. `kind` and `id` (the provider's) are those of the stream; `sent` is an unknown type as
    sent. An erased event has no headers, body and salt, but its `commitment`. `erased` and `retracted` are the
    positions of the events that record it.
    """

    position: int
    source: str
    stream: str | None = None
    kind: str | None = None
    id: str | None = None
    opened: int | None = None
    reading: str
    type: str | None = None
    sent: str | None = None
    sequence: int | None = None
    occurred_at: Instant | None = None
    received_at: Instant
    recorded_at: Instant
    verified_by: str | None = None
    key: str
    salt: str | None = None
    leaf: str
    headers: str | None = None
    body: str | None = None
    base64: bytes | None = None
    origin: Document = UNSET
    commitment: str | None = None
    erased: int | None = None
    retracted: int | None = None
    duplicates: CountedDuplicates | None = None
    conflicts: CountedConflicts | None = None


class DeliveryLine(_Line, tag="delivery", kw_only=True):
    """A delivery that made no event: behind the event that was the log's last one when it was recorded.

    `key` is that of the event that it hit.
    """

    delivery: int
    source: str
    verdict: str
    head: int
    key: str | None = None
    received_at: Instant
    recorded_at: Instant
    status: int
    reason: str | None = None
    hint: str | None = None
    size: int
    headers: str | None = None
    body: str | None = None
    base64: bytes | None = None


class ErasedLine(_Line, tag="erased", kw_only=True):
    """What was kept of an erased stream, after all events. `position` is that of the event that records the erasure."""

    source: str
    stream: str
    kind: str
    opened: int
    position: int
    measured: msgspec.Raw
    snapshot: bytes


class End(_Line, tag="end", kw_only=True):
    """The last line: a file without it was cut off."""

    events: int
    deliveries: int


Line = HeaderLine | SourceLine | EventLine | DeliveryLine | ErasedLine | End


class Broken(ValueError):
    """A line whose hash does not match."""


class Altered(ValueError):
    """An altered row that no leaf covers. The message says which."""


class Seal:
    """The hash chain of one file."""

    def __init__(self, ids: Ids) -> None:
        self._key = ids.subkey("export")
        self._last = b""

    def close(self, line: Line) -> bytes:
        """The line of the file, including its newline."""
        content = msgspec.json.encode(line)
        return content[:-1] + _BEFORE + self._next(content) + _BEHIND + b"\n"

    def open(self, line: bytes) -> bytes:
        """The content of a line of the file. Raises Broken."""
        bare = line[:-1] if line.endswith(b"\n") else b""
        content = bare[:-_SEALED] + b"}"
        if bare != content[:-1] + _BEFORE + self._next(content) + _BEHIND:
            raise Broken
        return content

    def _next(self, content: bytes) -> bytes:
        self._last = hmac.digest(self._key, self._last + content, "sha256").hex().encode()
        return self._last


_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def decode(content: bytes) -> Line:
    """Decodes a line's content from `Seal.open`. Raises msgspec.DecodeError."""
    return _decoder.decode(content)


def body_of(line: EventLine | DeliveryLine) -> bytes | None:
    """The body, byte for byte; None if the line has none."""
    return line.base64 if line.body is None else line.body.encode()


def body_fields(body: bytes | None) -> dict[str, Any]:
    """The fields of a line for a body: text if it is UTF-8."""
    if body is None:
        return {}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"base64": body}


def headers_text(headers: bytes | None) -> str | None:
    """An event's stored headers for a line. If they are not text they were altered, and the leaf will not match."""
    return None if headers is None else as_stored(headers).decode(errors="replace")


def unsealed_headers_text(headers: bytes | None, what: str) -> str | None:
    """The same for headers that no leaf covers, of which the reader could not detect an alteration. Raises Altered."""
    try:
        return None if headers is None else unpack(headers).decode()
    except ValueError as error:
        raise Altered(f"{what}: its headers are no text, so they were altered in the database") from error


def bytes_of(headers: str | None) -> bytes | None:
    """A line's headers as the leaf covers them."""
    return None if headers is None else headers.encode()


def raw(document: bytes | None) -> Document:
    """The document of a line for stored bytes; it is left out if there are none."""
    return UNSET if document is None else msgspec.Raw(document)


def stored(document: Document) -> bytes | None:
    """The bytes to store for a document of a line; None if the line has none."""
    return None if document is UNSET else bytes(document)
