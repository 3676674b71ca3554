"""The dependencies of the query API."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from adapters.audit import CheckpointSigner
from adapters.config import Token
from adapters.http.framework.holders import Holders
from adapters.http.framework.spool_state import SpoolState
from adapters.http.framework.waiting import Waiting
from adapters.sql import Code, Current, LimitedReads, Plans, Reads, Source, StreamParts, TemporalReads
from core.event import Instant
from core.ids import Ids


class ReportAction(Protocol):
    """Records an app's report on an action. Returns its verdict and the position of the event that has its key.

    Raises `adapters.sql.Unavailable` while the log cannot commit.
    """

    def __call__(
        self, *, source: str, key: str, action_id: str, state: str, occurred_at: Instant
    ) -> tuple[str, int]: ...


class Record(Protocol):
    """Records an operation and its actor in the log. `kind` and `what` are those of `adapters.sql.Recorder`.

    With `hourly`, repeated operations of one actor are one event per hour. Raises `adapters.sql.Unavailable` while the
    log cannot commit: then the operation must not be done.
    """

    def __call__(self, kind: str, /, by: str | None = None, hourly: str | None = None, **what: Any) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The dependencies that `create_http` takes.

    `record` is the access log, `sources` the configured ones by name, `clock` the current time. `as_of` reads the past
    by either time axis, `parts` a part of a long stream. `relayed` names the sources whose deliveries are forwarded
    after the answer, `spools` shows what waits in files for the log. `tokens` are the initial ones by name (none: no
    authentication), `holders` the current ones. `signer` signs the log and proves its content. `probe` returns once the
    log has committed, or raises Unavailable. `plans` are replays over HTTP. Of `threads` concurrent requests, a quarter
    may wait, for `patience` seconds. `limit` is the time limit of a request in seconds. `replica` is the same over a
    standby database, which is queried first. `writable`: POST requests are accepted. `base_url` is the external URL, if
    known.
    """

    reads: Reads
    ids: Ids
    sources: Mapping[str, Source]
    tell: ReportAction
    record: Record
    clock: Callable[[], Instant]
    threads: int = 4
    patience: float = 5.0
    limit: float = 10.0
    relayed: Collection[str] = ()
    spools: Callable[[], Sequence[SpoolState]] = tuple
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    signer: CheckpointSigner | None = None
    probe: Callable[[], object] = bool
    plans: Plans | None = None
    tokens: Mapping[str, Token] = field(default_factory=dict)
    replica: "Api | None" = None
    writable: bool = True
    base_url: str = ""
    holders: Holders = field(init=False)
    as_of: TemporalReads = field(init=False)
    parts: StreamParts = field(init=False)
    current: Current = field(init=False)
    waiting: Waiting = field(init=False)
    _only: frozenset[str] | None = field(init=False, default=None)
    _limited: "dict[frozenset[str], Api]" = field(init=False, default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        code = Code(self.ids, self.sources)
        object.__setattr__(self, "holders", Holders(self.tokens))
        object.__setattr__(self, "current", self.reads.current(code))
        object.__setattr__(self, "as_of", TemporalReads(self.reads, code, self.current))
        object.__setattr__(self, "parts", self.as_of.parts)
        object.__setattr__(self, "waiting", Waiting(self.current.folded, self.threads, self.patience))

    @property
    def root(self) -> str:
        """The path of `base_url`, the prefix of every link. The proxy removes it."""
        return urlsplit(self.base_url).path

    def provider_of(self, source: str) -> str | None:
        """The source's provider; None if it is no longer configured."""
        configured = self.sources.get(source)
        return configured.provider if configured else None

    def limited_to(self, only: frozenset[str] | None) -> "Api":
        """The same limited to these sources; None: all. Created once, because it caches what it has read."""
        if only is None:
            return self
        if only not in self._limited:
            self._limited[only] = self._limit(only)
        return self._limited[only]

    def _limit(self, only: frozenset[str]) -> "Api":
        sources = {name: source for name, source in self.sources.items() if name in only}
        past = TemporalReads(LimitedReads(self.reads, only), Code(self.ids, sources), self.current)
        limited = copy.copy(self)
        for name, value in {
            "_only": only,
            "sources": sources,
            "reads": past.reads,
            "as_of": past,
            "parts": past.parts,
            "spools": lambda: [one for one in self.spools() if one.source in only],
        }.items():
            object.__setattr__(limited, name, value)
        return limited

    def asked_of(self, source: str | None) -> frozenset[str] | None:
        """The sources that a query covers; None: all. `source` is the one that it names, if any."""
        if source is None:
            return self._only
        return frozenset({source}) if self._only is None else self._only & {source}

    def source_names(self) -> list[str]:
        """Every source, including those known only from the log."""
        return sorted({*self.sources, *self.reads.sources()})
