"""`hookfold quarantine`: rejections that a corrected secret would have let in."""

import json
from pathlib import Path

import click
import msgspec

from adapters.cli.commands import (
    Commands,
    Wrong,
    config_option,
    database_option,
    errors_in_one_line,
    json_option,
    settings,
)
from adapters.sql import ReleaseCounts
from core.words import counted


@click.group()
def quarantine() -> None:
    """Look after deliveries that were rejected because their signatures did not hold."""


@quarantine.command()
@config_option
@database_option
@click.option("--source", metavar="NAME", help="Only this one.  [default: every source that signs]")
@click.option("--dry-run", is_flag=True, help="Tell what would be taken, and take nothing.")
@json_option
@click.pass_obj
def release(
    commands: Commands, config: Path | None, database: str | None, source: str | None, dry_run: bool, as_json: bool
) -> None:
    """Verify kept rejections again, and take those that hold into the log, as received when they came.

    For a secret that was wrong or missing here and is corrected now. The time in a signature is held against the time
    at which it came.
    """
    found = settings(config, database, senders=True)
    signing = [name for name, one in sorted(found.sources.items()) if one.secrets]
    if source is not None and source not in signing:
        raise Wrong(f"--source: {found.path} names no source {source} with secrets")
    with errors_in_one_line(), commands.quarantine(found) as opened:
        done = {name: opened.release(name, dry_run=dry_run) for name in ([source] if source else signing)}
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "sources": msgspec.to_builtins(done)}))
        return
    for name, one in done.items():
        click.echo(f"{name}: {_told(one, dry_run=dry_run)}")
        for reason, counts in sorted(one.reasons.items()):
            click.echo(f"  {reason or 'no reason on record'}: {_told(counts, dry_run=dry_run)}")


def _told(one: ReleaseCounts, *, dry_run: bool) -> str:
    if dry_run:
        taken = f"{one.new} would be taken"
    else:
        known = counted(one.known, "was one already", "were already")
        taken = f"{counted(one.new, 'is an event now', 'are events now')}, {known}"
    cut = counted(one.cut, "is kept in part only", "are kept in part only")
    return f"of {counted(one.looked_at, 'rejection')} {taken}; {cut}"
