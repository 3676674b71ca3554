"""Finds what is missing, late, duplicated or contradictory in a stream, and what never ended, as of a given `now`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from core.event import SECOND, Instant
from core.folding.fold import Settings, State
from core.ordering.gaps import Gap, gap_in
from core.states.records import STARTS, Measurement
from core.views.derived import Deadline, deadline
from core.words import counted

SOURCE_SILENT_AFTER: Instant = 86_400 * SECOND
"""A source that sent nothing for a day counts as silent, unless its configuration or the query says otherwise."""

_ANOMALIES = {
    "gap": "missing",
    "late": "late",
    "conflict": "conflict",
    "overlap": "overlap",
    "undecodable": "undecodable",
    "unknown_type": "unknown_type",
}
LOST = frozenset({"missing", "never_ended", "overdue", "conflict"})
"""Findings that need attention. The others are irregular but lose no state."""

_TOLD = frozenset({"overdue", "presumed_ended"})
"""Deadlines that are reported. A silent registration is not: no cloud is known to send heartbeats."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One irregularity of a stream.

    `what` is missing, late, doubled, conflict, overlap, undecodable, unknown_type, never_ended, overdue or
    presumed_ended. `position` is that of the event that shows it, `since` the time from which it was due, `measurement`
    the first position of its measurement, and `times` how many irregularities of this kind it stands for.
    """

    what: str
    detail: str
    position: int | None = None
    since: Instant | None = None
    measurement: int | None = None
    times: int = 1

    @property
    def gap(self) -> Gap | None:
        """The numbers that are missing, of what is `missing`."""
        return gap_in(self.detail) if self.what == "missing" else None

    @property
    def lost(self) -> bool:
        """Whether it needs attention: see LOST."""
        return self.what in LOST


class MissingNumbers(NamedTuple):
    """The gaps of a measurement, in the order of their numbers, and how many older ones it only counted."""

    gaps: list[Gap]
    older: int


def missing_numbers(record: Measurement) -> MissingNumbers:
    """Why a measurement is not complete, as far as numbers are missing.

    A gap before its start is none of its own; where the start itself is missing, that may be in the gap.
    """
    if record.complete:
        return MissingNumbers([], 0)
    held = [gap_in(one.detail) for one in record.anomalies if one.kind == "gap"]
    without_start = STARTS not in record.steps
    gaps = sorted(gap for gap in held if gap is not None and (without_start or gap.first > record.number))
    return MissingNumbers(gaps, record.counts.get("gap", 0) - len(held))


def findings(
    machine: str,
    state: State,
    now: Instant,
    settings: Settings,
    conflicts: Iterable[int] = (),
    doubled: Mapping[int, int] | None = None,
) -> list[Finding]:
    """The irregularities of a stream. `conflicts` are positions whose key came with two bodies, `doubled` counts
    redeliveries by position.
    """
    due = deadline(machine, state, settings)
    passed = due if due is not None and due.what in _TOLD and due.passed(now) else None
    found = [*_irregular(state), *(Finding("conflict", "delivered again with another body", one) for one in conflicts)]
    again = sorted((doubled or {}).items())
    found += [Finding("doubled", f"delivered {_times(times)} more", position) for position, times in again]
    found += _never_ended(state, passed)
    if passed is not None:
        found.append(Finding(passed.what, f"silent in state {state.state}", None, passed.at))
    return found


def _irregular(state: State) -> Iterator[Finding]:
    """The newest anomalies one by one; the older ones are counted by kind."""
    held = Counter(one.kind for one in state.anomalies)
    for kind, count in sorted(state.counts.items()):
        if kind in _ANOMALIES and (older := count - held[kind]) > 0:
            yield Finding(_ANOMALIES[kind], f"{older} older ones", times=older)
    owners = getattr(state, "owners", {})
    for one in state.anomalies:
        if one.kind in _ANOMALIES:
            owner = owners.get(one.position)
            yield Finding(_ANOMALIES[one.kind], one.detail, one.position, None, owner)


def _never_ended(state: State, passed: Deadline | None) -> Iterator[Finding]:
    """Measurements that will get no outcome, or that are overdue. The newest one by one; the older ones are counted."""
    records = getattr(state, "measurements", [])
    if older := getattr(state, "unended", 0):
        yield Finding("never_ended", f"{counted(older, 'older measurement')} never ended", times=older)
    for record in records:
        left = record.run < state.run or record is not records[-1] or state.runs[-1].ended_by is not None
        if record.outcome is None and (left or passed is not None):
            since = passed.at if passed is not None and not left else record.started_at
            detail = f"it began and is still {record.state}"
            yield Finding("never_ended", detail, record.position, since, record.position)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
