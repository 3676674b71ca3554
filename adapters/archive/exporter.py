"""Exports a part of the log in one of several forms. The export is recorded first."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.archive.cloudevents import cloud_events
from adapters.archive.export import ExportProgress, export_lines
from adapters.archive.sheets import Sheets
from adapters.sql import ExportReader, Selection, Source
from core.event import Instant
from core.ids import PREFIXES, Ids

FORMATS = ("jsonl", "cloudevents", "states", "timelines")


class Exporter:
    """Exports one log. `record` appends an event of our own: its type and fields."""

    def __init__(
        self, whole: ExportReader, ids: Ids, sources: Mapping[str, Source], record: Callable[..., int]
    ) -> None:
        self._whole = whole
        self._ids = ids
        self._sources = sources
        self._record = record

    def choose(
        self,
        sources: Sequence[str] = (),
        session: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        *,
        own: bool = False,
    ) -> Selection:
        """The selection, by default everything. `session` is our id or the provider's. Raises LookupError."""
        known = sorted({*self._sources, *self._whole.providers()})
        for name in sources:
            if name not in known:
                raise LookupError(f"there is no source {name}: there are {', '.join(known) or 'none'}")
        streams = None if session is None else [(name, self._stream(name, session)) for name in sources or known]
        if streams is not None and not self._whole.has_any(streams):
            raise LookupError(f"there is no session {session}: name it by our id (ses_…), or as its provider does")
        return Selection(sources=list(sources) or None, streams=streams, since=since, until=until, own=own)

    def write(self, form: str, chosen: Selection, tell: ExportProgress) -> Iterator[bytes]:
        """Yields an export in one of FORMATS in pieces. Raises Altered, and adapters.sql.Unavailable."""
        streams = None if chosen.streams is None else [stream for _, stream in chosen.streams]
        limits = {"sources": chosen.sources, "streams": streams, "since": chosen.since, "until": chosen.until}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        self._record("exported", format=form, own=chosen.own, **given)
        match form:
            case "jsonl":
                return export_lines(self._whole, self._ids, chosen, tell)
            case "cloudevents":
                return cloud_events(self._whole, chosen, tell)
        sheets = Sheets(self._whole, self._ids, self._sources)
        return sheets.states(chosen, tell) if form == "states" else sheets.timelines(chosen, tell)

    def _stream(self, source: str, session: str) -> str:
        if session.startswith(f"{PREFIXES['session']}_") and len(session) == 30:
            return session
        return self._ids.of("session", source, session)
