"""The door: what a delivery is answered, decided in one order for every server in front of it."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from hmac import compare_digest
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from prometheus_client import Counter

from adapters.http.ingest.astray import Astray
from adapters.http.ingest.outcomes import Outcomes
from adapters.providers import Provider, Refused, SignatureKey, diagnose, meant, points_elsewhere
from adapters.sql import Entry, Receipt, Rejection
from core.event import Headers, Instant, Reading, Unreadable, word_of
from core.headers import misnamed
from core.instants import utc

KEPT_BODY = 4_096
"""Bytes of a rejected body that stay on record; all of one whose signature does not hold: its secret may be mended."""
KEPT_HEADER = 1_024
KEPT_HEADERS = 64
WHOLE_HEADERS = 16_384
"""Bytes of headers that are kept whole, with such a body."""
MISMATCH = "signature_mismatch"
"""Why a rejection is looked into: a signature that is whole, and that no secret of its source made."""
MOST_BYTES = 2**63 - 1
"""No size that is told is higher on record: databases count in 64 bits."""

SPOOLED = Receipt("spooled", 0)
"""In place of a receipt: the log could not commit it, it is kept in a file until it can."""

_PREFIX = "/in/"
_APPENDED = "webhook"
_JSON = ("content-type", "application/json")
_SUCCESS = b'{"status": "success"}'
_REFUSED_TYPES = ("application/x-www-form-urlencoded", "multipart/")


def is_ingest(path: str) -> bool:
    """Whether a path is on the senders' side, who read a shape of their own; a query may follow it."""
    return path.startswith(_PREFIX) or path.partition("?")[0] == _PREFIX[:-1]


class Answer(NamedTuple):
    """What goes back to the sender."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Door:
    """Takes deliveries for the configured sources. Bodies over `max_body` bytes are refused.

    `forwarded`: the sources whose own handlers answer, so that nobody else may. `relayed`: those whose deliveries go on
    to handlers behind our answer. `websocket_hosts`: of some sources, where their webhooks may have an app connect to.
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
        self._astray = Astray(sources.keys())

    def verify_with(
        self, sources: Mapping[str, Provider], changed: Mapping[str, Instant], paths: Mapping[str, str]
    ) -> None:
        """From now on these verify, of the same sources. `changed`: when the secrets of a source changed last.

        `paths`: what has to stand behind the name of a source in its path.
        """
        self._paths = paths
        self._strangers = {name: _keys_of_others(name, sources) for name in sources}
        self._changed = changed
        self._sources = sources

    @property
    def counters(self) -> tuple[Counter, ...]:
        """What this process counts of what it answers, for whoever registers it."""
        return (*self._outcomes.counters, self._astray.paths)

    def source_of(self, method: str, path: str) -> str | Answer:
        """The source that an ingest path names, or the answer (404, 405) to a path or method that cannot be."""
        name = self._named(path)
        if name not in self._sources:
            self._astray.tell(path)
            return failure(404, "no such source")
        if method != "POST":
            return failure(405, "deliveries are sent with POST", [("allow", "POST")])
        return name

    def _named(self, path: str) -> str:
        """The source that a path names; nothing where its secret is wrong: who guesses learns of no source."""
        name = _first_of(path)
        secret = self._paths.get(name)
        if secret is None:
            return _name_in(path)
        _, _, rest = path[len(_PREFIX) :].lstrip("/").partition("/")
        given = _first_of(_PREFIX + rest)
        is_right = compare_digest(given.encode("utf-8", "replace"), secret.encode())
        return name if is_right and _name_in(_PREFIX + rest) else ""

    def refuse_size(self, source: str, headers: Headers, size: int) -> Rejection:
        """For a body over the limit, of which nothing is kept. `size`: as declared, or as far as it was read."""
        return self._reject(source, headers, b"", size, 413, "too_large", f"more than {self.max_body} bytes")

    def receive(self, source: str, headers: Headers, body: bytes, target: str = "") -> Entry | Rejection:
        """What a delivery is, before it is recorded. Every failure is a rejection; an authentic body is an entry.

        `target`: path and query, as they came.
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
            slips = meant(type(provider), provider.read, body)
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
        """Counts a delivery by its outcome."""
        if not isinstance(outcome, Receipt):
            self._outcomes.unrecorded(item.source)
        elif outcome is SPOOLED:
            self._outcomes.spooled(item.source)
        elif isinstance(item, Rejection):
            self._outcomes.rejected(item)
        else:
            fault = item.reading.reason if isinstance(item.reading, Unreadable) else None
            self._outcomes.recorded(item.source, outcome.verdict, _reading(item, outcome), outcome.position, fault)

    def answer(self, item: Entry | Rejection, outcome: Receipt | Exception) -> Answer:
        """What a delivery is answered once its outcome is known."""
        self.count(item, outcome)
        if not isinstance(outcome, Receipt):
            return unrecorded()
        if isinstance(item, Rejection):
            return failure(item.status, _MESSAGES.get(item.reason, "signature"))
        told = {"verdict": outcome.verdict, "position": str(outcome.position), "reading": _reading(item, outcome)}
        return Answer(200, [_JSON, *((f"hookfold-{name}", value) for name, value in told.items())], _SUCCESS)

    def _why(self, source: str, headers: Headers, body: bytes, refused: Refused) -> str:
        hint = self._diagnosis(source, headers, body, refused) or refused.hint
        at = self._changed.get(source)
        return hint if at is None else f"{hint}; the secrets of this source changed at {utc(at)}"

    def _diagnosis(self, source: str, headers: Headers, body: bytes, refused: Refused) -> str | None:
        """Why nobody's signature it is, or what to compare where that cannot be found; None where it is none."""
        provider = self._sources[source]
        claim = provider.claim(headers)
        if isinstance(claim, Refused):
            return None
        found = diagnose(claim, provider.keys, self._strangers[source], body)
        ours = ", ".join(dict.fromkeys(key.ref for key in provider.keys))
        return found or f"{refused.hint}, nor one over a body changed on its way: compare the sender's with {ours}"

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
    """Those of other sources of the same kind: others sign otherwise."""
    kind = type(sources[name])
    return [key for other, one in sources.items() if other != name and type(one) is kind for key in one.keys]


def _first_of(path: str) -> str:
    return path[len(_PREFIX) :].lstrip("/").partition("/")[0]


def _name_in(path: str) -> str:
    """What stands for a source in an ingest path, or nothing where something else follows it.

    MentraOS appends `/webhook` to a `publicUrl` as it was typed: a slash at its end, or the appended part itself, is a
    slip that changes nothing of what is meant.
    """
    name, *rest = [part for part in path[len(_PREFIX) :].split("/") if part] or [""]
    return name if all(part == _APPENDED for part in rest) else ""


def appended(target: str) -> str:
    """What MentraOS appends to a URL, however often; nothing where it was not."""
    _, _, rest = target.partition("?")[0].strip("/").removeprefix("in").strip("/").partition("/")
    return f"/{_APPENDED}" if rest.strip("/") else ""


def handed_target(target: str) -> str:
    """What follows a handler's URL of a delivery's path and query."""
    _, asked, query = target.partition("?")
    return appended(target) + asked + query


def _reading(entry: Entry, receipt: Receipt) -> str:
    """One of READINGS: how the body is recorded."""
    return "undecodable" if receipt.raw else word_of(entry.reading)


def unrecorded() -> Answer:
    """To a delivery that could not be recorded, whatever the reason: it is worth sending again."""
    return failure(503, "the log cannot commit now: send again", [("retry-after", "2")])


def failure(status: int, message: str, headers: list[tuple[str, str]] | None = None) -> Answer:
    """An error as the providers' documents word it: `{"status": "error", "message": …}`."""
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
"""What a rejection tells its sender; whatever is not here tells no more than `signature`."""


def _transport(headers: Headers, body: bytes) -> tuple[int, str, str] | None:
    """Status, reason and hint where the request itself is wrong: 415 before a 400.

    A name that is none, which no server should have let through, could not be recorded however often it is sent.
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
