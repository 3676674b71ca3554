"""The commands that append to the log, if only a record of what they did."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import BinaryIO

import msgspec

from adapters.archive import Exporter, ExportProgress, Intake
from adapters.cli import Keeping
from adapters.config import Settings
from adapters.evidence import Evidence
from adapters.providers import Provider, Refused, build
from adapters.sql import (
    Code,
    Entry,
    ExportReader,
    Importer,
    ImportOutcome,
    Log,
    LongStreams,
    Quarantine,
    Reads,
    RelayDesk,
    Replay,
    Rereader,
    record_imports,
    seldom_collecting,
    spare_cores,
)
from core.event import Headers, Instant
from core.ids import Ids
from wiring.components import Components, now, source_of
from wiring.opening import check_up_to_date, opened


@contextmanager
def export(settings: Settings) -> Iterator[Exporter]:
    """The exporter. The database must exist, because the export of a new, empty log would be an unnoticed mistake."""
    check_up_to_date(settings.database_url)
    with appending(settings) as (components, log):
        yield Exporter(ExportReader(components.engine), components.ids, components.sources, components.access(log))


def import_(settings: Settings, file: BinaryIO, append: bool, tell: ExportProgress, outcome: ImportOutcome) -> None:
    """Imports a file. One of another secret is refused before the database is touched."""
    ids = Ids(settings.service.key)
    sources = {name: source_of(build(source), source) for name, source in settings.sources.items()}
    intake = Intake(file, ids, sources)
    with opened(settings, make=True) as components:
        importer = Importer(components.engine, Code(ids, sources), now, whole=intake.whole and not append)
        try:
            intake.into(importer, tell, outcome)
        finally:
            importer.close()
            if outcome.appended:
                with closing(components.log()) as log:
                    record_imports(components.engine, log, components.recorder(log))
                LongStreams(components.engine, Code(ids, sources)).fold_all()


@contextmanager
def replay(settings: Settings) -> Iterator[Replay]:
    """Replays, with helpers on spare cores."""
    with appending(settings) as (components, log), seldom_collecting():
        yield components.replay(components.recorder(log).record, spare_cores())


@contextmanager
def rereader(settings: Settings) -> Iterator[Rereader]:
    """The rereader of bodies that could not be read."""
    with appending(settings) as (components, log):
        again = partial(_received_again, components.providers)
        yield Rereader(components.engine, components.ids, components.sources, again, log, components.recorder(log))


@contextmanager
def relays(settings: Settings) -> Iterator[RelayDesk]:
    """The operators' actions on the outbox."""
    with appending(settings) as (components, log):
        yield RelayDesk(components.engine, log, components.recorder(log), now)


@contextmanager
def quarantine(settings: Settings) -> Iterator[Quarantine]:
    """The quarantine, which verifies stored rejections again."""
    with appending(settings) as (components, log):
        relayed = components.forwards("relay")

        def receive(source: str, headers: Headers, body: bytes, at: Instant) -> Entry | None:
            provider = components.providers[source]
            verified = provider.verify(headers, body, at)
            if isinstance(verified, Refused):
                return None
            reading = provider.read(body)
            identity = provider.identity(headers, body, reading)
            entry = Entry(source, at, headers, body, verified.by, identity, reading, provider.keyed_by_body)
            entry.relay = "" if source in relayed else None
            return entry

        yield Quarantine(components.engine, log, components.recorder(log), receive)


@contextmanager
def keeping(settings: Settings) -> Iterator[Keeping]:
    """Erasure, retraction and evidence."""
    with appending(settings) as (components, log):
        keeper, signer = components.keeper(log), components.signer()
        evidence = Evidence(Reads(components.engine), signer, components.sources, components.access(log))
        yield Keeping(settings, keeper, signer, evidence, now)


@contextmanager
def appending(settings: Settings) -> Iterator[tuple[Components, Log]]:
    """The components and the log of one command."""
    with opened(settings) as components, closing(components.log()) as log:
        if not components.read_only:
            record_imports(components.engine, log, components.recorder(log))
        yield components, log


def _received_again(providers: Mapping[str, Provider], entry: Entry) -> Entry:
    provider = providers[entry.source]
    identity = provider.identity(entry.headers, entry.body, entry.reading)
    return msgspec.structs.replace(entry, identity=identity, keyed_by_body=provider.keyed_by_body)
