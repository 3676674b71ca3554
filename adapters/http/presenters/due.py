"""Due streams: overdue, presumed ended or silent. What is told of a deadline, and the filters of lists."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adapters.http.framework import queries
from adapters.http.framework.routes import Ask
from adapters.sql import Due, DueIf, Reads, Source
from core.event import Instant
from core.folding.fold import MACHINES, Settings
from core.instants import utc
from core.views.derived import Deadline, Rule, kind_of, rule

WORDS = ("overdue", "presumed_ended", "silent")
Key = tuple[str, str]
"""(source, word)"""


def told_deadline(of: Deadline | None, now: Instant) -> dict[str, Any] | None:
    """What a stream becomes without an event until `at`, whether that has `passed`, and for how many seconds."""
    if of is None:
        return None
    times = {"since": utc(of.since), "at": utc(of.at)}
    return {"what": of.what, **times, "passed": of.passed(now), "overdue_s": of.overdue_s(now)}


def due(ask: Ask[queries.Folded], kind: str) -> list[Due]:
    """The conditions for each requested word; empty if none is."""
    asked = ((word, getattr(ask.query, word, None)) for word in WORDS)
    return [
        Due(tuple(_ways(ask.api.sources, kind, word, ask.now)), wanted)
        for word, wanted in asked
        if isinstance(wanted, bool)
    ]


def counted(reads: Reads, versions: Sequence[str], sources: Mapping[str, Source], now: Instant) -> dict[Key, int]:
    """The number of due streams by source and word, among the 10,000 oldest of each machine and source."""
    found: Counter[Key] = Counter()
    for name, source in sources.items():
        for machine in MACHINES:
            its = rule(machine, source.settings)
            if asked := tuple(_of_rule(machine, name, its, now)):
                found[name, its.what] += reads.due(machine, name, versions, Due(asked, wanted=True))
    return {key: count for key, count in found.items() if count}


def _ways(sources: Mapping[str, Source], kind: str, word: str, now: Instant) -> Iterator[DueIf]:
    """The conditions under which a stream of a kind is what the word says.

    One for all sources if a machine's limits are fixed, else one for each source.
    """
    for machine in MACHINES:
        common = rule(machine, Settings())
        if common.what != word or kind_of(machine) != kind:
            continue
        if common.within:
            yield from _of_rule(machine, None, common, now)
            continue
        for name, source in sources.items():
            yield from _of_rule(machine, name, rule(machine, source.settings), now)


def _of_rule(machine: str, source: str | None, of: Rule, now: Instant) -> Iterator[DueIf]:
    for within in sorted({*of.within.values()}):
        states = tuple(sorted(state for state, limit in of.within.items() if limit == within))
        yield DueIf(machine, source, states, of.clock, now - within)
