"""Invalidates projections when an erasure, a retraction or an import changes which events are foldable."""

from collections.abc import Iterable, Sequence
from typing import Any

from adapters.sql.database.tables import streams as table
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from adapters.sql.projections.dirty_streams import DirtyStream, mark_dirty
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.versions import MachineVersions, VersionMap, all_versions, raise_epoch, version_map

_STREAMS = Lookup("t.source, t.stream, t.kind, t.provider_id, t.opened", table, ("source", "stream"))


class Invalidator:
    """Refolds streams for this code's versions and marks them dirty for the others. Only under the append lock."""

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self.dialect = dialect
        self.ids = code.ids
        self.refolder = Refolder(dialect, code)
        self._code = code

    def version_map(self, cursor: Any) -> VersionMap:
        """The current version map. Every machine is registered by now, because something was appended."""
        return version_map(cursor, self.dialect, self._code.machines, all_versions(cursor))

    def own(self, version_map: VersionMap, source: str, kind: str) -> MachineVersions:
        """The versions of a kind's machine."""
        return version_map.machines[self._code.machine_of(source, kind).name]

    def streams(self, cursor: Any, names: Iterable[Row]) -> list[DirtyStream]:
        """The streams of these (source, our id), without a version."""
        rows = dict.fromkeys(map(tuple, self.dialect.lookup(cursor, _STREAMS, list(names))))
        return [
            DirtyStream(source, stream, kind, name or "", opened, "") for source, stream, kind, name, opened in rows
        ]

    def refold(self, cursor: Any, streams: Sequence[DirtyStream], head: int) -> None:
        """Folds the streams at once if this code's version is built; marks them for the other versions."""
        now = self.version_map(cursor)
        built: list[DirtyStream] = []
        marks: list[tuple[str, str, str, int]] = []
        for one in streams:
            own = self.own(now, one.source, one.kind)
            if own.built:
                built.append(DirtyStream(one.source, one.stream, one.kind, one.provider_id, one.opened, own.version))
            versions = own.to_mark
            marks += [(one.source, one.stream, version, head) for version in versions]
        self.refolder.catch_up(cursor, built)
        if marks:
            mark_dirty(cursor, self.dialect, marks)
        raise_epoch(cursor, self.dialect)
