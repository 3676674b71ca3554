"""Sorts any number of events into canonical order on disk. `core.ordering` does the same in memory."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

from core.event import Event, Instant
from core.folding.fold import StateMachine, late_ones
from core.ordering.order import OUTCOMES, behind, place
from core.ordering.runs import found_runs, walked_by
from core.states.state import Segment

Load = Callable[[Iterator[int]], Iterable[Event]]
"""(positions) -> the events at them, in the same order."""

_TABLES = """
CREATE TABLE walk (
    second INTEGER, number INTEGER, rest INTEGER, key BLOB, position INTEGER, at INTEGER,
    PRIMARY KEY (second, number, rest, key)
) WITHOUT ROWID;
CREATE TABLE taken (run INTEGER, number INTEGER, position INTEGER, at INTEGER, PRIMARY KEY (run, number)) WITHOUT ROWID;
CREATE TABLE runs (run INTEGER PRIMARY KEY, opened INTEGER, until INTEGER, overlap INTEGER);
CREATE TABLE placed (
    at INTEGER, rank INTEGER, key TEXT, attempt INTEGER, own TEXT, position INTEGER,
    PRIMARY KEY (at, rank, key, attempt, own)
) WITHOUT ROWID;
CREATE TABLE events (key TEXT PRIMARY KEY, at INTEGER, rank INTEGER) WITHOUT ROWID;
CREATE TABLE outcomes (target TEXT, at INTEGER, rank INTEGER, attempt INTEGER, own TEXT, position INTEGER);
CREATE TABLE late (position INTEGER PRIMARY KEY);
CREATE TABLE tellers (position INTEGER PRIMARY KEY);
"""
_FIRST = -1
"""The attempt number of an event itself: it sorts before its handler's outcomes, which are numbered from 0."""
_PLACE = """
INSERT INTO placed
SELECT coalesce(e.at, o.at), coalesce(e.rank, o.rank), coalesce(e.key, o.own),
       iif(e.key IS NULL, -1, o.attempt), iif(e.key IS NULL, '', o.own), o.position
FROM outcomes o LEFT JOIN events e ON e.key = o.target
"""
_BY_TIME = "SELECT position FROM placed ORDER BY at {0}, rank {0}, key {0}, attempt {0}, own {0}"
_BY_RUN = "SELECT position FROM taken ORDER BY run {0}, number {0}"
_WALK = "SELECT * FROM walk ORDER BY second, number, rest, key"
_RUNS = """
SELECT r.opened, r.until, r.overlap, (SELECT at FROM taken t WHERE t.run = r.run ORDER BY number LIMIT 1),
       (SELECT count(*) FROM taken t WHERE t.run = r.run)
FROM runs r ORDER BY r.run
"""


class Arranged:
    """One stream's events in canonical order. Also holds the positions of our own events about them, each once.

    The rows are in an unnamed temporary database on disk. Every method raises OSError if the disk is full.
    """

    def __init__(self, kind: StateMachine) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = OFF; BEGIN;" + _TABLES)
        self._numbered = kind.name == "measurement"
        self.close = self._db.close

    def add(self, event: Event) -> None:
        """Adds an event of the stream. The order of the calls does not matter."""
        if self._numbered:
            self.store("walk", *walked_by(event), event.position, event.occurred_at)
        elif event.type in OUTCOMES:
            at, rank, _ = place(event)
            self.store("outcomes", event.data.get("key"), at, rank, *behind((), event), event.position)
        else:
            at, rank, key = place(event)
            self.store("events", key, at, rank)
            self.store("placed", at, rank, key, _FIRST, "", event.position)

    def arrange(self) -> None:
        """Sorts the events. Call it once, after the last `add`."""
        if self._numbered:
            self._find_runs()
        else:
            self._do(_PLACE)
        for position in late_ones(self._positions("DESC")):
            self.store("late", position)

    def stretches(self, load: Load) -> Iterator[Segment]:
        """The segments for the fold. They share one iterator: read each to its end before the next."""
        whole = iter(load(self._positions("ASC")))
        if not self._numbered:
            yield Segment(whole)
            return
        for opened, until, overlap, began, size in self._rows(_RUNS):
            yield Segment(islice(whole, size), opened, until, overlap, began)

    def __contains__(self, position: object) -> bool:
        """Whether the event at the position is late: it arrived after an event that follows it in canonical order."""
        return any(self._rows("SELECT 1 FROM late WHERE position = ?", position))

    def tell(self, position: int) -> None:
        """Adds the position of one of our own events: an erasure, a retraction or a rotation."""
        self._do("INSERT OR IGNORE INTO tellers VALUES (?)", position)

    def tellers(self) -> Iterator[int]:
        """The positions of these events, ascending."""
        return (position for (position,) in self._rows("SELECT position FROM tellers ORDER BY position"))

    def store(self, table: str, *values: object) -> None:
        """Inserts a row."""
        self._do(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", *values)  # noqa: S608 - our own names

    def has_taken(self, run: int, number: object) -> bool:
        """Whether the run already has an event with this sequence number."""
        return any(self._rows("SELECT 1 FROM taken WHERE run = ? AND number = ?", run, number))

    def _find_runs(self) -> None:
        walk = ((*row[:4], _Placed(*row[4:])) for row in self._rows(_WALK))
        shelves = (_Shelf(self, number) for number in count())
        for number, run in enumerate(found_runs(walk, shelves.__next__)):
            self.store("runs", number, run.opened, run.until, run.overlap and run.overlap.position)

    def _positions(self, direction: str) -> Iterator[int]:
        query = _BY_RUN if self._numbered else _BY_TIME
        return (position for (position,) in self._rows(query.format(direction)))

    def _do(self, statement: str, *values: Any) -> None:
        try:
            self._db.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise OSError(f"the canonical order finds no room: {error}") from error

    def _rows(self, statement: str, *values: Any) -> Iterator[Any]:
        return iter(self._db.execute(statement, values))


class _Placed(NamedTuple):
    """An event's position and time, which stand for it while the runs are found."""

    position: int
    at: Instant | None


class _Shelf:
    """The events of one run by sequence number, as a mapping in the database."""

    def __init__(self, arranged: Arranged, run: int) -> None:
        self._arranged = arranged
        self._run = run

    def __setitem__(self, number: int, placed: _Placed) -> None:
        self._arranged.store("taken", self._run, number, *placed)

    def __contains__(self, number: object) -> bool:
        return self._arranged.has_taken(self._run, number)
