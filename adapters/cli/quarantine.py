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
from adapters.cli.keeping import dry_option


@click.group()
def quarantine() -> None:
    """Look after deliveries that were rejected because their signatures did not hold."""


@quarantine.command()
@config_option
@database_option
@click.option("--source", metavar="NAME", help="Only this one.  [default: every source that signs]")
@dry_option
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
        words = "would be taken" if dry_run else f"are events now, {one.known} were already"
        click.echo(f"{name}: of {one.looked_at} rejections {one.new} {words}; {one.cut} are kept in part only")
