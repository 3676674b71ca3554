"""Chooses the streams that a page of a past list examines; limits how many it examines and folds."""

from collections.abc import Iterator
from typing import Any

from adapters.sql.history.historical import HistoricalRow
from adapters.sql.history.past_rows import PastRows
from adapters.sql.queries.as_of import StreamRow
from adapters.sql.queries.settled import Unchanged, unwanted
from adapters.sql.queries.streams import WantedMeasurements, WantedStreams
from adapters.sql.reads.reads import Reads

EXAMINED = 5_000
"""The most streams that are examined for a page, however few of them match."""

FOLDED = 40
"""The most streams that are folded for a page. Of the others the stored rows are still valid."""

_CHUNK = 320


class Candidates:
    """The examined streams, the newest first, each with its row, or None if it was erased.

    `wanted` selects streams of named sources. Streams that do not match `asked`, by their valid stored rows, are left
    out. `following` is the `opened` of the last examined stream; None if there are no more.
    """

    def __init__(
        self,
        reads: Reads,
        rows: PastRows,
        which: Unchanged,
        wanted: WantedStreams,
        asked: WantedStreams | WantedMeasurements,
    ) -> None:
        self._reads = reads
        self._rows = rows
        self._which = which
        self._clocks = which.clocks
        self._wanted = wanted
        self._asked = asked
        self.following = wanted.before

    def __iter__(self) -> Iterator[tuple[StreamRow, HistoricalRow | None]]:
        which, measured = self._which, isinstance(self._asked, WantedMeasurements)
        listed = self._listed(which)
        size, folded = min(self._wanted.limit, _CHUNK), 0
        while True:
            chunk = self._reads.named(self._clocks, size, before=self.following, **listed)
            stored = self._rows.stored(chunk, which, measured=measured)
            for named, row in self._rows.find(chunk, self._clocks, stored):
                folded += named.stream not in stored
                yield named, row
                if folded == FOLDED:
                    self.following = named.opened
                    return
            if len(chunk) < size:
                self.following = listed["floor"]
                return
            self.following, size = chunk[-1].opened, min(4 * size, _CHUNK)

    def _listed(self, which: Unchanged) -> dict[str, Any]:
        """The arguments of `queries.as_of.list_named`."""
        wanted = self._wanted
        most = EXAMINED if self._clocks.as_of is None else max(1, EXAMINED // 10)
        floor = None
        if wanted.streams is None:
            floor = self._reads.opened_at(wanted.kind, self._clocks, wanted.before, most)
        but = unwanted(self._asked, which) if which.versions else None
        return {"kind": wanted.kind, "sources": wanted.sources, "names": wanted.streams, "floor": floor, "but": but}
