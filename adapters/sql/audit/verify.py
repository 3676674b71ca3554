"""Recomputes the log from payloads to checkpoints, and names the first position that was altered.

It stops there, because everything after it depends on it. An event that was altered together with its leaf hash shows
only in the nodes and checkpoints above it. Then the finding is a range: from the last checkpoint that matches to the
first that does not.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, func, select, text

from adapters.sql.audit.discrepancy import Discrepancy, DiscrepancyFound
from adapters.sql.audit.tree import STEP, StoredCheckpoint
from adapters.sql.audit.verify_erased import check_erasures
from adapters.sql.audit.verify_events import Events
from adapters.sql.audit.verify_retractions import check_retractions
from adapters.sql.database.joins import HEAD, HEAD_SQL
from adapters.sql.database.tables import checkpoints, nodes
from adapters.sql.projections.stored_events import BodyReader
from core.proofs.merkle import Growing
from core.proofs.note import Checkpoint
from core.words import counted

CHUNK = 4_096
"""Positions per statement."""

Trust = Callable[[str], Checkpoint]
"""Verifies a signed note of this log's key. Raises ValueError for any other text."""

VerifyProgress = Callable[[int, int], None]
"""Called with (positions done, positions in all) after each chunk."""


class Verified(msgspec.Struct, frozen=True):
    """The result of a verification up to `size`. `wrong` is null if nothing was altered.

    `root` covers the verified leaves. `unchecked` counts unknown types whose source is no longer configured.
    """

    wrong: Discrepancy | None
    size: int
    root: bytes
    checkpoints: int
    nodes: int
    erased: int
    unchecked: int


def recompute(
    connection: Connection,
    trust: Trust,
    kept: Sequence[Checkpoint],
    readers: Mapping[str, BodyReader],
    progress: VerifyProgress = lambda _done, _all: None,
) -> Verified:
    """Verifies the log as it is now, without what is appended meanwhile.

    The log must extend the `kept` checkpoints, which were stored elsewhere. `readers` read the bodies of each
    configured source.
    """
    walk = _Walk(connection, trust, kept, readers)
    try:
        for done in walk.chunks():
            progress(done, walk.head)
        walk.check_the_rest()
    except DiscrepancyFound as found:
        return walk.verified(found.wrong)
    return walk.verified(None)


_SEALED = select(func.coalesce(func.max(nodes.c.place) + 1, 0)).where(nodes.c.level == STEP)
_COVERED = select(func.coalesce(func.max(checkpoints.c.size), 0))
_CHECKPOINTS = text("SELECT number, size, note FROM checkpoints WHERE size > :after AND size <= :end ORDER BY number")
_NODES = text("SELECT place, hash FROM nodes WHERE level = :level AND place >= :first AND place < :last")
_NEWER = text("SELECT number, size, note FROM checkpoints WHERE number >= :number ORDER BY number")
_COUNTED = text(
    "SELECT count(*), coalesce(max(number), 0), coalesce(max(size), 0), "
    "(SELECT value FROM service WHERE name = 'checkpoint') FROM checkpoints"
)
_FOREIGN_NODES = text(
    f"SELECT level, place FROM nodes WHERE level < {STEP} OR level > 62 OR level % {STEP} <> 0 OR place < 0 "
    f"OR place >= (({HEAD_SQL}) >> level) ORDER BY place LIMIT 1"
)
_FOREIGN_EVENTS = text("SELECT position FROM events WHERE position < 1 ORDER BY position LIMIT 1")
_FOREIGN_PAYLOADS = text(
    "SELECT min(p.position) FROM payloads p WHERE NOT EXISTS "
    "(SELECT 1 FROM events e WHERE e.source = p.source AND e.position = p.position)"
)


class _Walk:
    """One pass over the log. `agreed` is the last position that a valid signature covers unaltered."""

    def __init__(
        self, connection: Connection, trust: Trust, kept: Sequence[Checkpoint], readers: Mapping[str, BodyReader]
    ) -> None:
        self._connection = connection
        self._trust = trust
        self._kept = sorted(kept, key=lambda checkpoint: checkpoint.size)
        self._events = Events(connection, readers)
        self._tree = Growing()
        self._nodes = self._checkpoints = self._agreed = 0
        self.head = int(connection.execute(HEAD).scalar_one())
        self._sealed = max(
            int(connection.execute(_SEALED).scalar_one()) << STEP, int(connection.execute(_COVERED).scalar_one())
        )

    def verified(self, wrong: Discrepancy | None) -> Verified:
        tree, counted = self._tree, (self._events.erased, self._events.unchecked)
        return Verified(wrong, tree.size, tree.root(), self._checkpoints, self._nodes, *counted)

    def chunks(self) -> Iterator[int]:
        """Verifies the log; yields the number of positions done after every chunk. Raises DiscrepancyFound."""
        for after in range(0, self.head, CHUNK):
            end = min(after + CHUNK, self.head)
            self._walk(after, end)
            yield end

    def check_the_rest(self) -> None:
        """Checks what no position of the log led to. Raises DiscrepancyFound."""
        self._check_later_checkpoints()
        self._check_count()
        self._check_foreign_rows()
        for checkpoint in self._kept[-1:]:
            if checkpoint.size > self.head:
                why = (
                    f"the log ends here, and a checkpoint kept elsewhere covers {counted(checkpoint.size, 'position')}"
                )
                raise DiscrepancyFound(self.head + 1, "log", why, until=checkpoint.size, end=True)

    def _walk(self, after: int, end: int) -> None:
        stored = {level: self._stored_nodes(level, after, end) for level in _levels(end)}
        notes = deque(self._connection.execute(_CHECKPOINTS, {"after": after, "end": end}).all())
        kept = deque(checkpoint for checkpoint in self._kept if after < checkpoint.size <= end)
        tree, lowest = self._tree, (1 << STEP) - 1
        for position, leaf in self._events.leaves(after, end):
            tree.append(leaf)
            while notes and notes[0][1] <= position:
                self._check_checkpoint(StoredCheckpoint(*notes.popleft()))
            while kept and kept[0].size == position:
                self._check_kept(kept.popleft())
            if not position & lowest:
                self._check_nodes(position, stored)
        for late in notes:  # with a number after a larger checkpoint's
            self._check_checkpoint(StoredCheckpoint(*late))

    def _stored_nodes(self, level: int, after: int, end: int) -> dict[int, bytes]:
        range_ = {"level": level, "first": after >> level, "last": end >> level}
        return {row.place: row.hash for row in self._connection.execute(_NODES, range_)}

    def _check_nodes(self, position: int, stored: Mapping[int, Mapping[int, bytes]]) -> None:
        for level in range(STEP, len(self._tree.completed), STEP):
            place = (position >> level) - 1
            found = stored[level].get(place)
            first = (place << level) + 1
            if found is None and position <= self._sealed:
                raise DiscrepancyFound(first, "node", f"node {level}/{place} is missing", until=position)
            if found is not None and found != self._tree.completed[level]:
                if first <= self._agreed < position:
                    first = self._agreed + 1
                raise DiscrepancyFound(first, "node", f"node {level}/{place} is not over these events", until=position)
            self._nodes += found is not None

    def _check_checkpoint(self, stored: StoredCheckpoint) -> None:
        if stored.number != self._checkpoints + 1 or stored.size != self._tree.size:
            self._miss(stored.size)
        checkpoint = self._opened(stored)
        if checkpoint.root != self._tree.root():
            why = f"events up to {stored.size} are not those that were signed: altered together with their leaf hashes"
            raise DiscrepancyFound(self._agreed + 1, "event", why, until=stored.size)
        self._checkpoints += 1
        self._agreed = stored.size

    def _opened(self, stored: StoredCheckpoint) -> Checkpoint:
        try:
            checkpoint = self._trust(bytes(stored.note).decode())
        except (ValueError, TypeError) as error:
            raise DiscrepancyFound(stored.size, "checkpoint", f"it is not one of this log's: {error}") from error
        if checkpoint.size != stored.size:
            first, last = sorted((stored.size, checkpoint.size))
            raise DiscrepancyFound(
                first,
                "checkpoint",
                f"it covers {counted(checkpoint.size, 'position')} and stands at another size",
                until=last,
            )
        return checkpoint

    def _check_kept(self, checkpoint: Checkpoint) -> None:
        if checkpoint.root != self._tree.root():
            over = counted(checkpoint.size, "position")
            why = f"the log is no extension of the checkpoint over {over} that was kept elsewhere"
            raise DiscrepancyFound(self._agreed + 1, "log", why, until=checkpoint.size)

    def _check_later_checkpoints(self) -> None:
        """Checks only that the events exist which checkpoints made meanwhile cover; the next verification checks the
        rest.
        """
        head, number, last = int(self._connection.execute(HEAD).scalar_one()), self._checkpoints, self._agreed
        for row in self._connection.execute(_NEWER, {"number": number + 1}).all():
            stored, number = StoredCheckpoint(*row), number + 1
            if stored.number != number or stored.size <= last:
                self._miss(max(stored.size, self.head, last + 1))
            self._opened(stored)
            if stored.size > head:
                why = f"the log ends here, and checkpoint {number} covers {counted(stored.size, 'position')}"
                raise DiscrepancyFound(head + 1, "log", why, until=stored.size)
            last = stored.size

    def _check_count(self) -> None:
        """Compares with the separately stored newest checkpoint: otherwise its deletion would go unnoticed."""
        count, number, size, remembered = self._connection.execute(_COUNTED).one()
        if count != number or remembered != (f"{number} {size}" if number else None):
            told = f"{remembered or 'none'} is remembered as the newest, and {count} are there"
            raise DiscrepancyFound(self._agreed + 1, "checkpoint", told, until=max(self.head, self._agreed + 1))

    def _check_foreign_rows(self) -> None:
        for level, place in self._connection.execute(_FOREIGN_NODES).all():
            position = (place << level) + 1 if 0 <= level < 63 else 1
            raise DiscrepancyFound(
                min(max(position, 1), self.head + 1), "node", f"node {level}/{place} belongs to no tree"
            )
        for (position,) in self._connection.execute(_FOREIGN_EVENTS).all():
            raise DiscrepancyFound(position, "log", "positions begin with 1")
        position = self._connection.execute(_FOREIGN_PAYLOADS).scalar_one()
        if position is not None:
            raise DiscrepancyFound(position, "payload", "it belongs to no event")
        if self._events.erased:
            for after in range(0, self.head, CHUNK):
                check_erasures(self._connection, after, min(after + CHUNK, self.head))
        check_retractions(self._connection, self.head)

    def _miss(self, size: int) -> None:
        raise DiscrepancyFound(
            self._agreed + 1, "checkpoint", f"checkpoint {self._checkpoints + 1} is missing", until=size
        )


def _levels(end: int) -> range:
    """The stored levels of a tree with `end` leaves."""
    return range(STEP, end.bit_length(), STEP)
