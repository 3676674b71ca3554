"""What the query API is given to work with."""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from adapters.audit import Notary
from adapters.config import Token
from adapters.http.framework.holders import Holders
from adapters.http.framework.spool_state import SpoolState
from adapters.http.framework.waiting import Waiting
from adapters.sql import Code, Current, LimitedReads, Plans, Reads, Source, StreamParts, TemporalReads
from core.event import Instant
from core.ids import Ids


class ReportAction(Protocol):
    """Records what an app tells of an action. Returns the verdict and the position of the event that holds the key.

    Raises `adapters.sql.Unavailable` while the log cannot commit.
    """

    def __call__(
        self, *, source: str, key: str, action_id: str, state: str, occurred_at: Instant
    ) -> tuple[str, int]: ...


class Record(Protocol):
    """Records in the log what was done with it, by whom: a type of adapters.sql.Recorder and what belongs to it.

    `hourly`: what is one event for its doer and an hour, however often it is done.
    Raises `adapters.sql.Unavailable` while the log cannot commit: what cannot be recorded is not done.
    """

    def __call__(self, kind: str, /, by: str | None = None, hourly: str | None = None, **what: Any) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The wiring of the query API; `create_http` takes it.

    `record`: the access log. `sources`: the configured ones by name. `clock`: now.
    `as_of`: reads of the past, by either clock. `parts`: of a part of a long stream.
    `relayed`: the sources whose deliveries go on to handlers behind our answer. `spools`: what waits in files for the
    log.
    `tokens`: who may ask at first, by name; without any, everybody. `holders`: who may now.
    `notary`: who signs the log and proves what is in it. `probe`: returns once the log has committed something, and
    raises Unavailable where it cannot. `plans`: replays that are asked for over HTTP.
    `threads`: how many requests are served at a time, of which a quarter may wait. `patience`: how long, in seconds.
    `limit`: seconds that a question may take.
    `replica`: the same over a database that follows this one; questions are put there. `writable`: a service writes
    here, and takes what a POST tells. `base_url`: how the service is reached from outside, where that is known.
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
    notary: Notary | None = None
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
        """The path of that URL, which every link of ours begins with. Whoever stands in front takes it away."""
        return urlsplit(self.base_url).path

    def provider_of(self, source: str) -> str | None:
        """None for a source that the configuration no longer names."""
        configured = self.sources.get(source)
        return configured.provider if configured else None

    def limited_to(self, only: frozenset[str] | None) -> "Api":
        """The same for who may know of these sources alone; None: of all. Made once: what it has read is kept in it."""
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
        """The sources that a question is about, which may name one; None where it is about all."""
        if source is None:
            return self._only
        return frozenset({source}) if self._only is None else self._only & {source}

    def source_names(self) -> list[str]:
        """Every source, also one that is known from the log only."""
        return sorted({*self.sources, *self.reads.sources()})
