"""Reads an export line by line and imports it."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec

from adapters.archive.export import ExportProgress
from adapters.archive.lines import (
    FORMAT,
    Broken,
    DeliveryLine,
    End,
    ErasedLine,
    EventLine,
    HeaderLine,
    Line,
    Seal,
    SourceLine,
    body_of,
    bytes_of,
    decode,
    stored,
)
from adapters.sql import (
    OWN,
    Entry,
    ErasedRemainder,
    ImportedDelivery,
    ImportedEvent,
    Importer,
    ImportItem,
    ImportOutcome,
    LastPosition,
    Source,
    Unimportable,
)
from core.event import Note, Reading, Unreadable
from core.ids import KEY_BYTES, PREFIXES, Ids
from core.proofs.leaf import Columns, commitment, leaf

LONGEST = 64 * 1024 * 1024
"""The most bytes of a line. A body has at most 256 KiB unless configured larger."""

MOST_ROWS, MOST_BYTES = 512, 8 * 1024 * 1024
"""A batch ends at the first of these limits."""


class Intake:
    """A file that is read once. Every method raises Unimportable, which names the line."""

    def __init__(self, file: BinaryIO, ids: Ids, sources: Mapping[str, Source]) -> None:
        self._file = file
        self._ids = ids
        self._sources = sources
        self._seal = Seal(ids)
        self._line = 0
        self._events = self._deliveries = 0
        self._position = self._recorded_at = self._reach = 0
        self._known: set[str] = set()
        self.header = self._header()

    @property
    def whole(self) -> bool:
        """Whether the export omits only Hookfold's own entries, so that positions can be kept."""
        return self.header.chosen is None

    def into(self, importer: Importer, tell: ExportProgress, outcome: ImportOutcome) -> None:
        """Imports every line, in batches. `outcome` counts what is committed, also if this raises."""
        for batch in self._batches():
            outcome.add(importer.take(batch))
            tell(self._line, None)

    def _header(self) -> HeaderLine:
        """Checks the secret before the seal, because another secret is the likelier cause of a mismatch."""
        line = self._read()
        try:
            said = msgspec.json.decode(line, type=_Said)
        except msgspec.DecodeError:
            raise self._misfit("this is not an export of Hookfold") from None
        if said.format != FORMAT:
            raise self._misfit(f"the file has format {said.format}, this Hookfold reads {FORMAT}")
        if said.secret != self._ids.fingerprint():
            mend = "ids and keys are derived from it: give this service the secret that the exported log was made with"
            raise self._misfit(f"the file was made with another service secret; {mend}")
        header = self._opened(line)
        if not isinstance(header, HeaderLine):
            raise self._misfit("the file does not begin with a header")
        return header

    def _batches(self) -> Iterator[list[ImportItem]]:
        """Imports the valid lines before an error is raised."""
        batch: list[ImportItem] = []
        size = 0
        try:
            for item in self._items():
                batch.append(item)
                size += _size(item)
                if len(batch) == MOST_ROWS or size >= MOST_BYTES:
                    yield batch
                    batch, size = [], 0
        except Unimportable:
            yield batch
            raise
        yield batch

    def _items(self) -> Iterator[ImportItem]:
        while True:
            line = self._opened(self._read())
            match line:
                case EventLine():
                    yield self._event(line)
                case DeliveryLine():
                    yield self._delivery(line)
                case SourceLine():
                    self._source(line)
                case ErasedLine():
                    yield self._left(line)
                case End():
                    yield LastPosition(self._line, self._reach)
                    self._end(line)
                    return
                case _:
                    raise self._misfit("a second header")

    def _read(self) -> bytes:
        line = self._file.readline(LONGEST + 1)
        self._line += 1
        if not line:
            raise self._misfit("the file was cut off: its end is missing")
        if len(line) > LONGEST:
            raise self._misfit(f"longer than {LONGEST} bytes")
        return line

    def _opened(self, line: bytes) -> Line:
        try:
            return decode(self._seal.open(line))
        except Broken:
            raise self._misfit("the hash does not fit: the line was changed, or one before it is missing") from None
        except msgspec.DecodeError as error:
            raise self._misfit(f"it cannot be read: {error}") from None

    def _misfit(self, why: str) -> Unimportable:
        return Unimportable(self._line, why)

    def _end(self, line: End) -> None:
        if (line.events, line.deliveries) != (self._events, self._deliveries):
            raise self._misfit("the file does not have the lines that its end counts")
        if self._file.read(1):
            self._line += 1
            raise self._misfit("something stands behind the end")

    def _source(self, line: SourceLine) -> None:
        name = line.source
        self._known.add(name)
        if name == OWN:
            return
        configured = self._sources.get(name)
        if configured is None:
            mend = f'add [sources.{name}] with provider = "{line.provider or "…"}" to the configuration'
            raise self._misfit(f"the source {name} is not configured here: {mend}")
        if line.provider not in {None, configured.provider}:
            raise self._misfit(f"the source {name} is one of {line.provider} there and of {configured.provider} here")

    def _checked(self, source: str) -> None:
        if source not in self._known:
            raise self._misfit("the line of its source is missing")

    def _event(self, line: EventLine) -> ImportedEvent:
        self._checked(line.source)
        if line.position <= self._position or line.recorded_at < self._recorded_at:
            raise self._misfit("positions and recorded_at have to ascend")
        self._position, self._recorded_at = line.position, line.recorded_at
        self._reach = max(self._reach, line.erased or 0, line.retracted or 0)
        self._events += 1
        headers = bytes_of(line.headers)
        salt = None if line.salt is None else self._bytes(line.salt)
        body, key, found = body_of(line), self._bytes(line.key), self._bytes(line.leaf)
        columns = _columns(line, self._sealed(line, headers, body, salt))
        if len(key) not in KEY_BYTES or leaf(columns) != found:
            raise self._misfit("its leaf hash does not fit: the log that it comes from was changed")
        reading = self._reading(line, body)
        entry = Entry(line.source, line.received_at, [], body or b"", line.verified_by, b"", reading)
        origin = stored(line.origin)
        return ImportedEvent(
            self._line,
            entry,
            columns,
            key,
            found,
            headers,
            salt,
            line.kind,
            line.id,
            line.sent,
            origin,
            line.erased,
            line.retracted,
            None if line.duplicates is None else msgspec.structs.astuple(line.duplicates),
            None if line.conflicts is None else msgspec.structs.astuple(line.conflicts),
        )

    def _sealed(self, line: EventLine, headers: bytes | None, body: bytes | None, salt: bytes | None) -> str:
        """The commitment to headers, body and origin in hex. They may be erased, but only completely."""
        if line.erased is not None and line.commitment is not None and (headers, body, salt) == (None, None, None):
            return line.commitment
        if line.erased is None and headers is not None and body is not None and salt is not None:
            return commitment(salt, headers, body, stored(line.origin)).hex()
        raise self._misfit("a part of it is missing")

    def _delivery(self, line: DeliveryLine) -> ImportedDelivery:
        self._checked(line.source)
        self._deliveries += 1
        told = msgspec.structs.asdict(line)
        del told["base64"]  # it is the body, where that is no text
        told["key"] = None if line.key is None else self._bytes(line.key)
        told["headers"], told["body"] = bytes_of(line.headers), body_of(line)
        return ImportedDelivery(**told, line=self._line)

    def _left(self, line: ErasedLine) -> ErasedRemainder:
        self._checked(line.source)
        named = (line.source, line.stream, line.kind, line.opened, line.position)
        return ErasedRemainder(self._line, *named, bytes(line.measured), line.snapshot)

    def _reading(self, line: EventLine, body: bytes | None) -> Reading | Unreadable:
        """The body's reading by this code. Its stream was decided when it was recorded."""
        source = self._sources.get(line.source)
        if source is None or line.stream is None or body is None:
            return Unreadable("of no stream, or erased")
        reading = source.read(line.type, body)
        name = line.id if line.id is not None or isinstance(reading, Unreadable) else reading.provider_id
        if name is None or line.kind not in PREFIXES or self._ids.of(line.kind, line.source, name) != line.stream:
            raise self._misfit("its stream is not the one that its id stands for")
        if isinstance(reading, Unreadable):
            notes = (Note("undecodable", reading.reason),)
            return Reading(line.kind, name, line.type or "", None, None, {}, known=False, notes=notes)
        return msgspec.structs.replace(reading, kind=line.kind, provider_id=name)

    def _bytes(self, text: str) -> bytes:
        try:
            return bytes.fromhex(text)
        except ValueError:
            raise self._misfit("a hash is not hex") from None


class _Said(msgspec.Struct, tag="header", tag_field="line"):
    """The content of a header whose seal has not been checked yet."""

    format: int
    secret: str


def _columns(line: EventLine, sealed: str) -> Columns:
    return Columns(
        *(line.position, line.source, line.stream, line.opened, line.reading, line.type, line.sequence),
        *(line.occurred_at, line.received_at, line.recorded_at, line.key, line.verified_by, sealed),
    )


def _size(item: ImportItem) -> int:
    if isinstance(item, ErasedRemainder | LastPosition):
        return len(item.snapshot) if isinstance(item, ErasedRemainder) else 0
    body = item.entry.body if isinstance(item, ImportedEvent) else item.body
    return len(body or b"") + len(item.headers or b"")
