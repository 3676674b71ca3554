"""The stored Merkle tree. The events hold the leaves; a node covers 16 of them, the next node 16 of those, and so on.

Nodes between the stored levels are computed on demand from at most 15 hashes. Storing every level would take ten times
the space; with every eighth level, a proof would read a thousand rows and verification could locate a forged event only
within 256.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, text

from adapters.sql.audit.rotations import Rotation, noted_rotations
from adapters.sql.database.errors import our_errors
from adapters.sql.database.joins import HEAD
from adapters.sql.database.snapshot import repeatable_read
from adapters.sql.database.tables import checkpoints, nodes
from adapters.sql.database.transactions import is_read_only, writing
from adapters.sql.dialects.advisory_locks import SEALING
from adapters.sql.dialects.dialect import Insert, Row, dialect_of
from core.proofs import merkle
from core.proofs.merkle import Node

STEP = 4
"""The distance between two stored levels."""

WIDTH = 1 << STEP

_BLOCKS_AT_A_TIME = 256
"""Nodes of the lowest level that are computed and stored together."""

_MOST_ARMS = 100
"""The most ranges of tiles in one statement: SQLite takes 500 terms."""

_SEALED = select(func.coalesce(func.max(nodes.c.place) + 1, 0)).where(nodes.c.level == bindparam("level"))
_NEWEST = select(checkpoints).order_by(checkpoints.c.number.desc()).limit(1)
_INSERT = Insert(nodes)
_REMEMBER = text(
    "INSERT INTO service (name, value) VALUES ('checkpoint', :value) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

T = TypeVar("T")

Make = Callable[["TreeView", "StoredCheckpoint | None", int, merkle.Hashes], str]
"""(the stored tree, the newest checkpoint, the log's size, its nodes) -> the next checkpoint, signed."""


class StoredCheckpoint(NamedTuple):
    """A row of `checkpoints`."""

    number: int
    size: int
    note: bytes


class MissingEvent(Exception):
    """An event is missing from the log, so nothing after it can be proven."""

    def __init__(self, position: int) -> None:
        super().__init__(f"the log has no event at position {position}")
        self.position = position


class Tree:
    """The tree of one log. Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.read_only = is_read_only(engine)

    def head(self) -> int:
        """The log's last position, which is the number of leaves."""
        with self._reading() as connection:
            return int(connection.execute(HEAD).scalar_one())

    @contextmanager
    def look(self) -> Iterator["TreeView"]:
        """A view of the stored tree for the block."""
        with self._reading() as connection:
            yield TreeView(connection)

    def seal(self) -> int:
        """Appends the nodes that the log has completed; returns the number of the lowest level. Raises MissingEvent.

        Computes them before the write transaction, which on SQLite blocks all other writers.
        """
        made = 0
        while True:
            with self._reading() as connection:
                repeatable_read(connection)
                new = _complete(connection, _BLOCKS_AT_A_TIME)
            if new.number:
                with self._turn() as connection:
                    made += _keep(connection, new)
            if new.number < _BLOCKS_AT_A_TIME:
                return made

    def checkpoint(self, make: Make) -> StoredCheckpoint | None:
        """Appends a checkpoint of the whole log unless it exists; None for an empty log.

        On a read-only database, returns the newest one. Raises MissingEvent.
        """
        if self.read_only:
            with self.look() as view:
                return view.newest()
        self.seal()
        with self._turn() as connection:
            newest, head = _stored(connection, _NEWEST), connection.execute(HEAD).scalar_one()
            if head == (newest.size if newest else 0):
                return newest
            _keep(connection, _complete(connection, head // WIDTH))
            note = make(TreeView(connection), newest, head, Tiles(connection)).encode()
            return _append(connection, StoredCheckpoint(newest.number + 1 if newest else 1, head, note))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with our_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[Connection]:
        """The transaction that seals, under the sealing lock."""
        with our_errors(), writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(SEALING)
            yield connection


class TreeView:
    """The log, its checkpoints and its nodes, read over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> int:
        """The log's last position."""
        return int(self._connection.execute(HEAD).scalar_one())

    def newest(self) -> StoredCheckpoint | None:
        """The newest checkpoint."""
        return _stored(self._connection, _NEWEST)

    def checkpoint_of(self, size: int) -> StoredCheckpoint | None:
        """The checkpoint of exactly this size."""
        return _stored(self._connection, select(checkpoints).where(checkpoints.c.size == size))

    def rotations(self) -> list[Rotation]:
        """The rotations of the signing key."""
        return noted_rotations(self._connection)

    def prove(self, work: Callable[[merkle.Hashes], T]) -> T:
        """The result of `work` on the tree's nodes. Runs `work` twice: first to find out which nodes it needs."""
        tiles, wanted = Tiles(self._connection), set[Node]()

        def note(node: Node) -> bytes:
            wanted.add(node)
            return b""

        work(note)
        tiles.load(wanted)
        return work(tiles)


class Tiles:
    """Gives the hash of any complete node from the stored ones. A node that is not sealed is computed from below."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tiles: dict[Node, list[bytes]] = {}

    def __call__(self, node: Node) -> bytes:
        """Raises MissingEvent if an event beneath is missing."""
        level, place = node
        above = level % STEP
        first = place << above
        return merkle.fold([self._at(level - above, first + offset) for offset in range(1 << above)])

    def load(self, wanted: Iterable[Node]) -> None:
        """Reads the tiles of these nodes at once."""
        tiles = {(level - level % STEP, place << level % STEP >> STEP) for level, place in wanted}
        if tiles:
            self._read([(level, number, number + 1) for level, number in sorted(tiles)])

    def _at(self, level: int, place: int) -> bytes:
        tile = self._tile(level, place // WIDTH)
        if place % WIDTH < len(tile):
            return tile[place % WIDTH]
        if level == 0:
            raise MissingEvent(place + 1)
        return merkle.fold([self._at(level - STEP, place * WIDTH + offset) for offset in range(WIDTH)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        """Up to 16 adjacent nodes of a stored level."""
        if (level, number) not in self._tiles:
            self._read([(level, number, number + 1)])
        return self._tiles[level, number]

    def _read(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Reads ranges of tiles: (level, from, up to)."""
        for level, start, end in ranges:
            self._tiles |= {(level, number): [] for number in range(start, end)}
        for first in range(0, len(ranges), _MOST_ARMS):
            self._read_some(ranges[first : first + _MOST_ARMS])

    def _read_some(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        arms = [
            (_LEAVES if level == 0 else _NODES).format(level, start * WIDTH, end * WIDTH)
            for level, start, end in ranges
        ]
        for level, place, value in sorted(map(tuple, self._connection.exec_driver_sql(" UNION ALL ".join(arms)))):
            tile = self._tiles[level, place // WIDTH]
            if len(tile) == place % WIDTH:  # nothing after a gap, or a second event at one position, can be trusted
                tile.append(bytes(value))


_LEAVES = "SELECT {0} AS level, position - 1 AS place, leaf FROM events WHERE position > {1} AND position <= {2}"
_NODES = "SELECT level, place, hash FROM nodes WHERE level = {0} AND place >= {1} AND place < {2}"
"""The values are numbers of ours. As constants they show PostgreSQL how few rows there will be."""


def _arm(level: int, start: int, end: int) -> str:
    """Selects (level, place, hash) from `start` up to `end`, in order."""
    return (_LEAVES + " ORDER BY position" if level == 0 else _NODES + " ORDER BY place").format(level, start, end)


class _New(NamedTuple):
    """Nodes that are not stored yet: `number` of the lowest level after the first `sealed`, and those above."""

    sealed: int
    number: int
    rows: list[Row]


def _complete(connection: Connection, most: int) -> _New:
    """At most `most` new nodes of the lowest stored level, and those above that they complete."""
    sealed = _count(connection, STEP)
    end = min(int(connection.execute(HEAD).scalar_one()) // WIDTH, sealed + most)
    rows: list[Row] = []
    level, start, below = STEP, sealed, _run(connection, 0, sealed * WIDTH, end * WIDTH)
    while below:
        made = merkle.rise(below, STEP)
        rows += [(level, place, value) for place, value in enumerate(made, start)]
        level, start, below = _next_level(connection, level, start, made)
    return _New(sealed, end - sealed, rows)


def _next_level(connection: Connection, level: int, start: int, made: list[bytes]) -> tuple[int, int, list[bytes]]:
    """The next stored level, its first missing node, and the hashes beneath the nodes that can be computed now."""
    above = _count(connection, level + STEP)
    before = _run(connection, level, above * WIDTH, start)
    whole = (start + len(made)) // WIDTH * WIDTH - above * WIDTH
    return level + STEP, above, [*before, *made][:whole]


def _keep(connection: Connection, new: _New) -> int:
    """Stores the nodes unless another process was first; returns how many of the lowest level."""
    if not new.rows or _count(connection, STEP) != new.sealed:
        return 0
    dialect_of(connection.engine).insert(connection.connection.cursor(), _INSERT, new.rows)
    return new.number


def _count(connection: Connection, level: int) -> int:
    """The number of stored nodes of a level."""
    return int(connection.execute(_SEALED, {"level": level}).scalar_one())


def _run(connection: Connection, level: int, start: int, end: int) -> list[bytes]:
    """The hashes of a level from `start` up to `end`. Raises MissingEvent if one is missing."""
    found = connection.exec_driver_sql(_arm(level, start, end)).all()
    for place, row in zip(range(start, end), found, strict=False):
        if row[1] != place:
            raise MissingEvent((place << level) + 1)
    if len(found) != end - start:
        raise MissingEvent((start + len(found) << level) + 1)
    return [row[2] for row in found]


def _append(connection: Connection, stored: StoredCheckpoint) -> StoredCheckpoint:
    connection.execute(insert(checkpoints).values(stored._asdict()))
    connection.execute(_REMEMBER, {"value": f"{stored.number} {stored.size}"})
    return stored


def _stored(connection: Connection, statement: object) -> StoredCheckpoint | None:
    row = connection.execute(statement).first()  # type: ignore[call-overload]
    return None if row is None else StoredCheckpoint(*row)
