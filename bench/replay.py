"""A full rebuild of all projections from the log, against a bare scan, and against stepping machines."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

from sqlalchemy import Engine, text

from adapters.config import load
from adapters.providers import build
from adapters.sql import open_engine
from bench.command import Filled, Place, main
from bench.fill import filled
from bench.measure import interleaved, ratios, say
from bench.peers.stepping import a_machine_each, one_machine
from bench.results import Figure, rate
from bench.servers import settings_of
from bench.traffic import SOURCE
from core import fold
from core.event import Event, Unreadable

OF_SCAN = 0.5
OF_MACHINE = 20.0
STEPPED = 200
"""Sessions that are stepped through machines: enough, at milliseconds each."""

_SCAN = text(
    "SELECT e.source, e.stream, e.position, e.key, e.type, e.received_at, e.verified_by, p.body FROM events e "
    "JOIN payloads p ON p.source = e.source AND p.position = e.position ORDER BY e.source, e.position"
)


def replay(place: Place) -> list[Figure]:
    """Both databases; the references read the same rows."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    database = filled(place, kind, place.scale.small)
    say(f"  {kind}, {database.events:,} events")
    engine = open_engine(database.url)
    contenders: dict[str, Callable[[], float]] = {
        "scan": partial(_timed, partial(_scan, engine)),
        "read and fold": partial(_timed, partial(_read_and_fold, engine, database)),
        "a machine each": partial(_timed, partial(_step, engine, a_machine_each)),
        "one machine": partial(_timed, partial(_step, engine, one_machine)),
    }
    rates = interleaved(place.scale.rounds, contenders)
    engine.dispose()
    return _figures(kind, database, rates)


def _figures(kind: str, database: Filled, rates: dict[str, list[float]]) -> list[Figure]:
    own, settings = "read and fold", {"database": kind, "events": database.events}
    wanted = {"scan": OF_SCAN, "a machine each": OF_MACHINE, "one machine": None}
    against = {"scan": "scan and decode", "a machine each": "a Machine each", "one machine": "one Machine"}
    return [
        rate(
            f"replay {kind}, {own}",
            rates[own],
            unit="events/s",
            reference=against[name],
            reference_value=median(rates[name]),
            ratio=ratios(rates[own], rates[name]),
            wanted=least,
            settings=settings,
        )
        for name, least in wanted.items()
    ]


def _timed(work: Callable[[], int]) -> float:
    """Events a second; `work` tells how many there were."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def _scan(engine: Engine) -> int:
    """Every event with its body, decoded and dropped: what nobody who reads the log can do without."""
    return sum(1 for row in _rows(engine) if json.loads(row.body))


def _rows(engine: Engine) -> Iterator[Sequence]:
    with engine.connect() as connection:
        yield from connection.execution_options(yield_per=2_000).execute(_SCAN)


def _read_and_fold(engine: Engine, database: Filled) -> int:
    """The bodies read by their provider, each stream folded; nothing is written."""
    provider = build(load(None, settings_of(database.folder, database.url)).sources[SOURCE])
    streams: dict[str, list[Event]] = defaultdict(list)
    for row in _rows(engine):
        reading = provider.read(bytes(row.body))
        if isinstance(reading, Unreadable):
            raise AssertionError(f"position {row.position}: {reading.reason}")
        streams[row.stream].append(
            Event(
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
        )
    for events in streams.values():
        fold.encode(fold.fold(fold.MACHINES["measurement"], events))
    return sum(len(events) for events in streams.values())


def _step(engine: Engine, stepping: Callable[[list[list[str]]], list[str]]) -> int:
    """The types of the first sessions' events, by one scan, and a machine that is stepped by them."""
    streams: dict[str, list[str]] = defaultdict(list)
    for row in _rows(engine):
        if row.stream not in streams and len(streams) == STEPPED:
            break
        streams[row.stream].append(json.loads(row.body)["event"])
    stepping(list(streams.values()))
    return sum(len(history) for history in streams.values())


if __name__ == "__main__":
    main({"replay": replay})
