"""Shared by the commands that erase, retract and bundle: options, the services they open, and messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from adapters.cli.commands import Commands, Failed, Keeping, errors_in_one_line
from adapters.cli.output import writing
from adapters.config import Settings
from adapters.evidence import certificate
from adapters.sql import Erasable, Erasure
from core.words import counted

_SQLITE = "SQLite keeps what it freed. In a quiet hour: sqlite3 FILE 'VACUUM; PRAGMA wal_checkpoint(TRUNCATE);'"
_POSTGRESQL = (
    "PostgreSQL keeps old rows until it vacuums. At once: VACUUM FULL payloads, deliveries, projections, streams;"
)
_BACKUPS = "Backups, replicas and files that were exported earlier are yours to erase."

reason_option = click.option("--reason", required=True, help="Why. It stays in the log for ever: name nobody.")
by_option = click.option("--by", metavar="WHO", help="Who does it, for the log.  [default: local]")
dry_option = click.option("--dry-run", is_flag=True, help="Tell what would be erased, and erase nothing.")


@contextmanager
def keeping(commands: Commands, settings: Settings) -> Iterator[Keeping]:
    """Opens the services over the configured database for a block. Raises Wrong, Failed."""
    with errors_in_one_line(), commands.keeping(settings) as opened:
        yield opened


def counts(found: Erasable) -> dict[str, int]:
    """The counts of what was found, for JSON."""
    return {"streams": len(found.streams), "loose_events": len(found.loose), "rejections": len(found.rejections)}


def words(found: Erasable) -> str:
    """The counts of what was found, as text."""
    streams, loose, rejections = counts(found).values()
    rejected = counted(rejections, "rejected delivery", "rejected deliveries")
    return f"{counted(streams, 'stream')}, {counted(loose, 'event of no stream', 'events of no stream')}, {rejected}"


def progress(done: int, whole: int) -> None:
    """Prints the progress of an erasure to standard error."""
    click.echo(f"{done} of {whole} erased", err=True)


def certify(opened: Keeping, erasure: Erasure, reason: str, by: str | None, output: Path | None, as_json: bool) -> str:
    """Writes the certificate to `output`, or prints it unless `as_json`. Returns it.

    Prints to standard error where erased data may remain: in freed pages, backups, exports.
    """
    note = certificate(opened.signer, erasure, opened.clock(), reason, by)
    if output is not None:
        _write(note, output)
    elif not as_json:
        click.echo(note, nl=False)
    if erasure.left:
        click.echo(f"{erasure.left} more went on arriving behind position {erasure.searched}: erase again", err=True)
    sqlite = opened.settings.database_url.startswith("sqlite")
    click.echo(f"{_SQLITE if sqlite else _POSTGRESQL}\n{_BACKUPS}", err=True)
    return note


def _write(note: str, output: Path) -> None:
    """Prints the certificate if the file cannot be written: the erasure is done, and no later one makes it again."""
    try:
        with writing("certificate"):
            output.write_text(note, encoding="utf-8")
    except Failed:
        click.echo(note, nl=False, err=True)
        raise
