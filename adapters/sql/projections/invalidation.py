"""Lets every version of the projections follow a change of what is foldable, in the transaction that makes it."""

from collections.abc import Iterable, Sequence
from typing import Any

from adapters.sql.database.tables import streams as table
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from adapters.sql.projections.dirty_streams import Waiting, mark
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.versions import Share, Standing, all_versions, raise_epoch, standing

_STREAMS = Lookup("t.source, t.stream, t.kind, t.provider_id, t.opened", table, ("source", "stream"))


class Afresh:
    """Folds streams anew by this code, and marks them for the versions of other code. Only under the append lock."""

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self.dialect = dialect
        self.ids = code.ids
        self.refolder = Refolder(dialect, code)
        self._code = code

    def standing(self, cursor: Any) -> Standing:
        """What this code has to do with each version. Every machine is registered by now: something was appended."""
        return standing(cursor, self.dialect, self._code.machines, all_versions(cursor))

    def own(self, standing: Standing, source: str, kind: str) -> Share:
        """What this code has to do with the streams of a kind."""
        return standing.machines[self._code.machine_of(source, kind).name]

    def streams(self, cursor: Any, names: Iterable[Row]) -> list[Waiting]:
        """The streams of these (source, our id), of no version yet."""
        rows = dict.fromkeys(map(tuple, self.dialect.lookup(cursor, _STREAMS, list(names))))
        return [Waiting(source, stream, kind, name or "", opened, "") for source, stream, kind, name, opened in rows]

    def refold(self, cursor: Any, streams: Sequence[Waiting], head: int) -> None:
        """Folds the streams at once where this code's version is built; for the others it leaves marks."""
        now = self.standing(cursor)
        built: list[Waiting] = []
        marks: list[tuple[str, str, str, int]] = []
        for one in streams:
            own = self.own(now, one.source, one.kind)
            if own.built:
                built.append(Waiting(one.source, one.stream, one.kind, one.provider_id, one.opened, own.version))
            versions = own.to_mark
            marks += [(one.source, one.stream, version, head) for version in versions]
        self.refolder.catch_up(cursor, built)
        if marks:
            mark(cursor, self.dialect, marks)
        raise_epoch(cursor, self.dialect)
