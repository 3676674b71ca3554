"""`hookfold quarantine`: takes in rejected deliveries that are valid with a corrected secret."""

import json

import click
import msgspec

from adapters.cli.commands import Commands, Wrong, configured, errors_in_one_line, json_option
from adapters.config import Settings
from adapters.sql import ReleaseCounts
from core.words import counted


@click.group()
def quarantine() -> None:
    """Manage deliveries that were rejected for an invalid signature."""


@quarantine.command()
@configured(senders=True)
@click.option("--source", metavar="NAME", help="Only this one.  [default: every source that signs]")
@click.option("--dry-run", is_flag=True, help="Tell what would be taken, and take nothing.")
@json_option
def release(commands: Commands, settings: Settings, source: str | None, dry_run: bool, as_json: bool) -> None:
    """Verify rejected deliveries again, and append those that are valid now, with their original time of receipt.

    For a secret that was wrong or missing and is corrected now. A signature's timestamp is compared with the time of
    receipt.
    """
    signing = [name for name, one in sorted(settings.sources.items()) if one.secrets]
    if source is not None and source not in signing:
        raise Wrong(f"--source: {settings.path} names no source {source} with secrets")
    with errors_in_one_line(), commands.quarantine(settings) as opened:
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
