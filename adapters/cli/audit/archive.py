"""`hookfold export` and `hookfold import`: write the log to a file, and read such a file into a log."""

import codecs
import json
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from adapters.archive import FORMATS, Altered
from adapters.cli.commands import Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.output import output_option, written_whole
from adapters.cli.pace import Pace
from adapters.cli.times import Moment
from adapters.config import Settings
from adapters.sql import ImportOutcome, Unimportable
from core.event import Instant
from core.words import counted

_CSV = ("states", "timelines")

_WITH_OWN = "`hookfold export --with-own` takes Hookfold's own entries along"
_LINES = {
    "kept": ("event imported with its position", "events imported with their positions"),
    "appended": ("event appended with a new position", "events appended with new positions"),
    "known": ("event already in this log", "events already in this log"),
    "conflicts": (
        "event whose key this log has with another body: recorded as a conflict",
        "events whose key this log has with another body: recorded as conflicts",
    ),
    "erased": ("erased event left out", "erased events left out"),
    "retracted": ("retracted event left out", "retracted events left out"),
    "whole": (
        "stream erased in the exported log but not in this one: erase it here, too (hookfold audit erase)",
        "streams erased in the exported log but not in this one: erase them here, too (hookfold audit erase)",
    ),
    "placeholders": (
        f"position filled with a placeholder for an entry that is not in the export: {_WITH_OWN}",
        f"positions filled with placeholders for entries that are not in the export: {_WITH_OWN}",
    ),
    "deliveries": ("repeated or rejected delivery imported", "repeated or rejected deliveries imported"),
    "known_deliveries": ("delivery already in this log", "deliveries already in this log"),
    "strangers": (
        "delivery left out: rejected elsewhere, or of an event that is not in this log",
        "deliveries left out: rejected elsewhere, or of events that are not in this log",
    ),
}


@click.command("export")
@configured()
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only this source. Also several times.")
@click.option("--session", metavar="ID", help="Only this session: our id, or the provider's.")
@click.option("--since", type=Moment(), help="Only what was received at this time or later.")
@click.option("--until", type=Moment(), help="Only what was received before this time.")
@click.option("--bom", is_flag=True, help="CSV begins with a byte order mark, for a spreadsheet.")
@click.option("--with-own", is_flag=True, help="Also what Hookfold records about itself.")
@output_option
def export(
    commands: Commands,
    settings: Settings,
    form: str,
    sources: tuple[str, ...],
    session: str | None,
    since: Instant | None,
    until: Instant | None,
    bom: bool,
    with_own: bool,
    output: Path | None,
) -> None:
    """Write the log to a file: it holds personal data, bodies, headers and salts.

    jsonl: what `hookfold import` takes. cloudevents: a batch of CloudEvents 1.0. states, timelines: CSV.
    """
    if bom and form not in _CSV:
        raise Wrong(f"--bom is for CSV: not with --format {form}")
    tell = ArchiveProgress("exported")
    with errors_in_one_line(), commands.export(settings) as exporter:
        try:
            chosen = exporter.choose(sources, session, since, until, own=with_own)
        except LookupError as error:
            raise Wrong(str(error.args[0])) from error
        try:
            with written_whole(output, "export") as file:
                file.write(codecs.BOM_UTF8 if bom else b"")
                for piece in exporter.write(form, chosen, tell):
                    file.write(piece)
        except Altered as error:
            raise Failed(str(error)) from error


@click.command("import")
@configured()
@click.argument("file", type=click.File("rb"))
@click.option("--append", is_flag=True, help="Give new positions, also where the old ones could be kept.")
@json_option
def import_(commands: Commands, settings: Settings, file: BinaryIO, append: bool, as_json: bool) -> None:
    """Import FILE, written by `hookfold export` (- for standard input). Importing it again changes nothing.

    An empty log keeps all positions, and resumes an interrupted import. A log in use appends with new positions, and
    records where each event comes from; one that has the beginning of the exported log and later events of its own
    needs --append. An altered line is refused, with all lines after it.
    """
    outcome = ImportOutcome()
    try:
        with errors_in_one_line():
            commands.import_(settings, file, append, ArchiveProgress("read"), outcome)
    except Unimportable as error:
        raise Failed(f"{error}; {_what_came(outcome)}") from error
    finally:
        _tell(outcome, as_json)


class ArchiveProgress:
    """Prints progress to standard error every two seconds."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._pace = Pace()

    def __call__(self, done: int, size: int | None) -> None:
        if not self._pace.due():
            return
        rate = done / self._pace.seconds
        rest = f" of {size}, {(size - done) / rate:.0f} s to go" if size else ""
        click.echo(f"{done}{rest} {self._verb}, {rate:.0f} a second", err=True)


def _what_came(outcome: ImportOutcome) -> str:
    taken = outcome.kept + outcome.appended + outcome.known + outcome.conflicts
    if not taken:
        return "nothing was imported"
    return f"the import stopped at this line; {counted(taken, 'event before it is', 'events before it are')} in the log"


def _tell(outcome: ImportOutcome, as_json: bool) -> None:
    counts = msgspec.to_builtins(outcome)
    if as_json:
        click.echo(json.dumps(counts))
        return
    for name, (one, several) in _LINES.items():
        if counts[name]:
            click.echo(counted(counts[name], one, several))
