"""A full rebuild of all projections from the log, against a bare scan, and against stepping machines."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

from sqlalchemy import Engine, Row, text

from adapters.config import load
from adapters.providers import Provider, build
from adapters.sql import FoldFailure, ReplayProgress, open_engine
from app import commands
from bench.command import Filled, Place, main
from bench.fill import filled
from bench.measure import interleaved, ratios, say
from bench.peers.stepping import a_machine_each, a_machine_each_event, one_machine
from bench.results import Figure, rate
from bench.servers import settings_of
from bench.traffic import SOURCE
from core.event import Event, Unreadable
from core.folding import fold

OF_SCAN = 0.5
OF_MACHINE = 20.0
STEPPED = 500
"""Sessions that are stepped through machines, in memory: more would take long and tell no more."""
FEW = 50
"""The same, where a machine is built for each event."""

REBUILD = "rebuild"
READ_AND_FOLD = "read and fold"
FOLD = "fold, in memory"
SCAN = "scan and decode"
EACH_EVENT = "a Machine for each event, in memory"
EACH = "a Machine for each stream, in memory"
SHARED = "one Machine for all, in memory"

_SCAN = text(
    "SELECT e.source, e.stream, e.position, e.key, e.type, e.received_at, e.verified_by, p.body FROM events e "
    "JOIN payloads p ON p.source = e.source AND p.position = e.position "
    f"WHERE e.source = '{SOURCE}' ORDER BY e.source, e.position"
)

Streams = dict[str, list[Event]]


def replay(place: Place) -> list[Figure]:
    """Both databases; the references read the same rows."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    database = filled(place, kind, place.scale.small)
    say(f"  {kind}, {database.events:,} events")
    engine = open_engine(database.url)
    provider = build(load(None, settings_of(database.folder, database.url)).sources[SOURCE])
    streams = list(islice(_streams(engine, provider).values(), STEPPED))
    names = [[event.type for event in stream] for stream in streams]
    contenders: dict[str, Callable[[], int]] = {
        SCAN: partial(_scan, engine),
        REBUILD: partial(_rebuild, database),
        READ_AND_FOLD: partial(_read_and_fold, engine, provider),
        FOLD: partial(_fold, streams),
        EACH_EVENT: partial(_step, a_machine_each_event, names[:FEW]),
        EACH: partial(_step, a_machine_each, names),
        SHARED: partial(_step, one_machine, names),
    }
    rates = interleaved(place.scale.rounds, {name: partial(_timed, work) for name, work in contenders.items()})
    engine.dispose()
    return _figures(kind, database, rates)


def _figures(kind: str, database: Filled, rates: dict[str, list[float]]) -> list[Figure]:
    pairs: list[tuple[str, str, float | None]] = [
        (REBUILD, SCAN, OF_SCAN),
        (REBUILD, EACH_EVENT, OF_MACHINE),
        (REBUILD, EACH, OF_MACHINE),
        (REBUILD, SHARED, OF_MACHINE),
        (READ_AND_FOLD, SCAN, None),
        (FOLD, EACH, None),
        (FOLD, SHARED, None),
    ]
    return [
        rate(
            f"replay {kind}, {name}",
            rates[name],
            unit="events/s",
            reference=other,
            reference_value=median(rates[other]),
            ratio=ratios(rates[name], rates[other]),
            wanted=wanted,
            settings={"database": kind, "events": database.events},
        )
        for name, other, wanted in pairs
    ]


def _timed(work: Callable[[], int]) -> float:
    """Events a second; `work` tells how many there were."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def _scan(engine: Engine) -> int:
    """Every event with its body, decoded and dropped: what nobody who reads the log can do without."""
    return sum(bool(json.loads(row.body)) for row in _rows(engine))


def _rows(engine: Engine) -> Iterator[Row[Any]]:
    with engine.connect() as connection:
        yield from connection.execution_options(yield_per=2_000).execute(_SCAN)


def _rebuild(database: Filled) -> int:
    """What `hookfold replay` does: every stream read, folded and written as a new version, which then serves."""
    told: list[ReplayProgress | FoldFailure] = []
    with commands().replay(load(None, settings_of(database.folder, database.url))) as opened:
        opened.rebuild(["measurement"], told.append)
    last = told[-1]
    if not isinstance(last, ReplayProgress) or last.events < database.events:
        raise AssertionError(f"{database.events} events are in the log, and not all of them were folded: {last}")
    return last.events


def _read_and_fold(engine: Engine, provider: Provider) -> int:
    """The bodies read by their provider, each stream folded and encoded; nothing is written."""
    return _fold(_streams(engine, provider).values())


def _streams(engine: Engine, provider: Provider) -> Streams:
    streams: Streams = defaultdict(list)
    for row in _rows(engine):
        streams[row.stream].append(_event(row, provider))
    return streams


def _event(row: Row[Any], provider: Provider) -> Event:
    reading = provider.read(bytes(row.body))
    if isinstance(reading, Unreadable):
        raise ValueError(f"position {row.position}: {reading.reason}")  # noqa: TRY004 - a body, not a type
    return Event(
        row.position,
        bytes(row.key),
        reading.type,
        reading.sequence,
        reading.occurred_at,
        row.received_at,
        row.verified_by is not None,
        reading.data,
        reading.known,
        reading.notes,
    )


def _fold(streams: Iterable[list[Event]]) -> int:
    count, machine = 0, fold.MACHINES["measurement"]
    for events in streams:
        fold.encode(fold.fold(machine, events))
        count += len(events)
    return count


def _step(stepping: Callable[[Sequence[list[str]]], list[str]], names: Sequence[list[str]]) -> int:
    """Each session's state, as machines tell it that are stepped by the types of its events."""
    if set(stepping(names)) != {"closed"}:
        raise AssertionError("the machines do not come to the state that the sessions ended in")
    return sum(len(history) for history in names)


if __name__ == "__main__":
    main({"replay": replay})
