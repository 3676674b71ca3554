"""The ingest door: verifies, reads and answers deliveries, with the same checks and order under every server."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from hmac import compare_digest
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from prometheus_client import Counter

from adapters.http.ingest.outcomes import Outcomes
from adapters.http.ingest.unknown_paths import UnknownPaths
from adapters.providers import (
    NO_TYPE,
    Provider,
    Refused,
    SignatureKey,
    diagnose,
    points_elsewhere,
    spelling_hint,
    tried,
)
from adapters.sql import Entry, Receipt, Rejection, Unavailable
from core.event import Headers, Instant, Reading, Unreadable, word_of
from core.headers import misnamed
from core.instants import utc

KEPT_BODY = 4_096
"""The stored bytes of a rejected body. One with an invalid signature is stored whole, since its secret may be
corrected."""
KEPT_HEADER = 1_024
KEPT_HEADERS = 64
WHOLE_HEADERS = 16_384
"""The largest headers that are stored whole with such a body."""
MISMATCH = "signature_mismatch"
"""The reason for a diagnosis: a complete signature that no secret of its source made."""
MOST_BYTES = 2**63 - 1
"""The highest recorded size, since databases have 64-bit integers."""

SPOOLED = Receipt("spooled", 0)
"""The receipt of a delivery that is spooled in a file, because the log could not commit it."""

_PREFIX = "/in/"
_APPENDED = "webhook"
_JSON = ("content-type", "application/json")
_SUCCESS = b'{"status": "success"}'
_REFUSED_TYPES = ("application/x-www-form-urlencoded", "multipart/")


def is_ingest(path: str) -> bool:
    """Whether a path, with or without a query, is an ingest path. Its answers have the senders' format."""
    return path.startswith(_PREFIX) or path.partition("?")[0] == _PREFIX[:-1]


class Answer(NamedTuple):
    """The response to the sender."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


_OTHER_TYPE = "no documented event has its type, or the body contradicts it"


class Door:
    """Accepts deliveries for the configured sources. Bodies over `max_body` bytes are refused.

    `forwarded` are sources whose handlers answer themselves. `relayed` are those whose deliveries are forwarded after
    our answer. `websocket_hosts` limits the hosts in WebSocket URLs, by source.
    """

    def __init__(
        self,
        sources: Mapping[str, Provider],
        max_body: int,
        clock: Callable[[], Instant],
        forwarded: Collection[str] = (),
        relayed: Collection[str] = (),
        websocket_hosts: Mapping[str, Collection[str]] | None = None,
        changed: Mapping[str, Instant] = MappingProxyType({}),
        paths: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.max_body = max_body
        self.forwarded = forwarded
        self._relayed = relayed
        self._websocket_hosts = websocket_hosts or {}
        self.verify_with(sources, changed, paths)
        self._clock = clock
        self._outcomes = Outcomes()
        self._astray = UnknownPaths(sources.keys())

    def verify_with(
        self, sources: Mapping[str, Provider], changed: Mapping[str, Instant], paths: Mapping[str, str]
    ) -> None:
        """Replaces the providers of the same sources. `changed` is when the secrets of each source last changed.

        `paths` are the secrets that must follow a source's name in its path.
        """
        self._paths = paths
        self._strangers = {name: _keys_of_others(name, sources) for name in sources}
        self._changed = changed
        self._sources = sources

    @property
    def counters(self) -> tuple[Counter, ...]:
        """The metrics of this process, to be registered."""
        return (*self._outcomes.counters, self._astray.paths)

    def source_of(self, method: str, path: str) -> str | Answer:
        """The source that an ingest path names, or the answer (404, 405) to an invalid path or method."""
        name = self._named(path)
        if name not in self._sources:
            self._astray.tell(path)
            return failure(404, "no such source")
        if method != "POST":
            return failure(405, "deliveries are sent with POST", [("allow", "POST")])
        return name

    def _named(self, path: str) -> str:
        """The source that a path names; empty if its secret is wrong, so that guessing reveals no source."""
        name = _first_of(path)
        secret = self._paths.get(name)
        if secret is None:
            return _name_in(path)
        _, _, rest = path[len(_PREFIX) :].lstrip("/").partition("/")
        given = _first_of(_PREFIX + rest)
        is_right = compare_digest(given.encode("utf-8", "replace"), secret.encode())
        return name if is_right and _name_in(_PREFIX + rest) else ""

    def refuse_size(self, source: str, headers: Headers, size: int) -> Rejection:
        """The rejection of a body over the limit, without the body. `size` is as declared, or as far as it was read."""
        return self._reject(source, headers, b"", size, 413, "too_large", f"more than {self.max_body} bytes")

    def receive(self, source: str, headers: Headers, body: bytes, target: str = "") -> Entry | Rejection:
        """Verifies and reads a delivery. An authentic body becomes an entry, anything else a rejection.

        `target` is the path and query as sent.
        """
        refusal = _transport(headers, body)
        if refusal:
            return self._reject(source, headers, body, len(body), *refusal)
        provider = self._sources[source]
        now = self._clock()
        verified = provider.verify(headers, body, now)
        if isinstance(verified, Refused):
            hint = self._why(source, headers, body, verified) if verified.reason == MISMATCH else verified.hint
            return self._reject(source, headers, body, len(body), 401, verified.reason, hint)
        reading = provider.read(body)
        if isinstance(reading, Unreadable) and not provider.signed:
            slips = spelling_hint(type(provider), provider.read, body)
            hint = f"{reading.reason}; {slips}" if slips else reading.reason
            return self._reject(source, headers, body, len(body), 400, "undecodable", hint)
        hosts = self._websocket_hosts.get(source)
        elsewhere = points_elsewhere(reading, hosts) if hosts and isinstance(reading, Reading) else None
        if elsewhere is not None:
            return self._reject(source, headers, body, len(body), 403, elsewhere.reason, elsewhere.hint)
        identity = provider.identity(headers, body, reading)
        entry = Entry(source, now, headers, body, verified.by, identity, reading, provider.keyed_by_body)
        if source in self._relayed:
            entry.relay = handed_target(target)
        return entry

    def count(self, item: Entry | Rejection, outcome: Receipt | Exception) -> None:
        """Counts a delivery by its outcome. The reason why one was not recorded is logged."""
        if not isinstance(outcome, Receipt):
            reason = str(outcome) if isinstance(outcome, Unavailable) else type(outcome).__name__
            self._outcomes.unrecorded(item.source, reason)
        elif outcome is SPOOLED:
            self._outcomes.spooled(item.source)
        elif isinstance(item, Rejection):
            self._outcomes.rejected(item)
        else:
            fault = _fault(item.reading)
            self._outcomes.recorded(item.source, outcome.verdict, _reading(item, outcome), outcome.position, fault)

    def answer(self, item: Entry | Rejection, outcome: Receipt | Exception) -> Answer:
        """The answer to a delivery with this outcome."""
        self.count(item, outcome)
        if not isinstance(outcome, Receipt):
            return unrecorded()
        if isinstance(item, Rejection):
            return failure(item.status, _MESSAGES.get(item.reason, "signature"))
        told = {"verdict": outcome.verdict, "position": str(outcome.position), "reading": _reading(item, outcome)}
        return Answer(200, [_JSON, *((f"hookfold-{name}", value) for name, value in told.items())], _SUCCESS)

    def _why(self, source: str, headers: Headers, body: bytes, refused: Refused) -> str:
        hint = self._diagnosis(source, headers, body) or refused.hint
        at = self._changed.get(source)
        return hint if at is None else f"{hint}; the secrets of this source changed at {utc(at)}"

    def _diagnosis(self, source: str, headers: Headers, body: bytes) -> str | None:
        """The reason why a signature is invalid, or what to compare if it cannot be found; None for other refusals."""
        provider = self._sources[source]
        claim = provider.claim(headers)
        if isinstance(claim, Refused):
            return None
        found = diagnose(claim, provider.keys, self._strangers[source], body)
        ours = ", ".join(dict.fromkeys(key.ref for key in provider.keys))
        return found or (
            f"it is not made with {ours}, neither over the body as it came nor {tried(body)}: "
            "compare the secret of the sender with the one here"
        )

    def _reject(
        self, source: str, headers: Headers, body: bytes, size: int, status: int, reason: str, hint: str
    ) -> Rejection:
        whole = status == 401 and sum(len(name) + len(value) for name, value in headers) <= WHOLE_HEADERS
        if not whole:
            named = [one for one in headers[:KEPT_HEADERS] if misnamed([one]) is None]
            headers = [(name[:KEPT_HEADER], value[:KEPT_HEADER]) for name, value in named]
            body = body[: min(KEPT_BODY, len(body) - 1 if status == 401 else len(body))]
        return Rejection(source, self._clock(), headers, body, min(size, MOST_BYTES), status, reason, hint)


def _keys_of_others(name: str, sources: Mapping[str, Provider]) -> list[SignatureKey]:
    """The keys of other sources of the same provider."""
    kind = type(sources[name])
    return [key for other, one in sources.items() if other != name and type(one) is kind for key in one.keys]


def _first_of(path: str) -> str:
    return path[len(_PREFIX) :].lstrip("/").partition("/")[0]


def _name_in(path: str) -> str:
    """The source's segment in an ingest path; empty if anything else follows it.

    MentraOS appends `/webhook` to a `publicUrl` as typed. A trailing slash or a second `/webhook` is a harmless slip.
    """
    name, *rest = [part for part in path[len(_PREFIX) :].split("/") if part] or [""]
    return name if all(part == _APPENDED for part in rest) else ""


def appended(target: str) -> str:
    """What MentraOS appended to a URL, however often; empty if nothing."""
    _, _, rest = target.partition("?")[0].strip("/").removeprefix("in").strip("/").partition("/")
    return f"/{_APPENDED}" if rest.strip("/") else ""


def handed_target(target: str) -> str:
    """The part of a delivery's path and query that is appended to a handler's URL."""
    _, asked, query = target.partition("?")
    return appended(target) + asked + query


def _reading(entry: Entry, receipt: Receipt) -> str:
    """The recorded reading, one of READINGS."""
    return "undecodable" if receipt.raw else word_of(entry.reading)


def _fault(reading: Reading | Unreadable) -> str | None:
    """Why a body moves nothing, without a word of it: a type as sent is told by the notes of the event alone."""
    if isinstance(reading, Unreadable):
        return reading.reason
    if reading.known:
        return None
    return NO_TYPE.detail if NO_TYPE in reading.notes else _OTHER_TYPE


def unrecorded() -> Answer:
    """The answer to a delivery that could not be recorded: the sender should retry."""
    return failure(503, "the log cannot commit now: send again", [("retry-after", "2")])


def failure(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    """An error in the providers' format: `{"status": "error", "message": …}`."""
    body = msgspec.json.encode({"status": "error", "message": message})
    return Answer(status, [_JSON, *(headers or [])], body)


_MESSAGES = {
    "too_large": "the body is too large",
    "content_encoding": "send the body as it is, without a content encoding",
    "content_type": "send JSON",
    "header_name": "a header has a name that is none",
    "empty": "the body is empty",
    "websocket_host": "it would have the app connect to a host that is not allowed",
    "undecodable": "the body cannot be read as one of this provider's webhooks",
}
"""The messages to senders by reason. Others get the message of `signature`."""


def _transport(headers: Headers, body: bytes) -> tuple[int, str, str] | None:
    """Status, reason and hint of a faulty request: 415 before 400.

    An invalid header name, which servers should refuse, could never be recorded.
    """
    for name, value in headers:
        if name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            return 415, "content_encoding", value[:KEPT_HEADER]
        if name == "content-type" and _is_refused(value[:KEPT_HEADER]):
            return 415, "content_type", value[:KEPT_HEADER]
    if (misname := misnamed(headers)) is not None:
        return 400, "header_name", misname[:KEPT_HEADER]
    return None if body else (400, "empty", "no body")


@lru_cache(maxsize=64)
def _is_refused(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind.startswith(_REFUSED_TYPES) or kind.endswith(("/xml", "+xml"))
