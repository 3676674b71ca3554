"""`hookfold db`: upgrades, checks and copies the database, or begins a new log."""

import json
import os
from pathlib import Path

import click

from adapters.cli.commands import (
    Commands,
    Failed,
    Wrong,
    config_option,
    configured,
    errors_in_one_line,
    json_option,
    read_settings,
)
from adapters.config import Settings, config_path
from adapters.sql import revision_fault
from core.words import counted

_database = click.option(
    "--database",
    "url",
    metavar="URL",
    envvar="HOOKFOLD_DATABASE_URL",
    default="sqlite:///var/hookfold.db",
    show_default=True,
    show_envvar=True,
    help="sqlite:///FILE or postgresql://…",
)


@click.group()
def db() -> None:
    """Check the database, upgrade it to the newest revision, copy it, or begin a new log."""


@db.command()
@_database
@json_option
@click.pass_obj
def upgrade(commands: Commands, url: str, as_json: bool) -> None:
    """Upgrade the database to the newest revision. `serve` does the same when it starts."""
    with errors_in_one_line():
        commands.migrate(url)
        current, newest = commands.revision(url)
    _tell(current, newest, f"the database is at revision {current}", as_json)


@db.command()
@_database
@json_option
@click.pass_obj
def status(commands: Commands, url: str, as_json: bool) -> None:
    """Print the database's revision and the newest one; exit code 1 if they differ."""
    with errors_in_one_line():
        current, newest = commands.revision(url)
    _tell(current, newest, f"revision {current or 'none'}, newest {newest}", as_json)
    if current != newest:
        raise Failed(revision_fault(current, newest))


@db.command()
@configured()
@json_option
def new(commands: Commands, settings: Settings, as_json: bool) -> None:
    """Begin an empty log with existing secrets, if the log that they belong to is lost or elsewhere."""
    with errors_in_one_line():
        commands.begin(settings)
        current, newest = commands.revision(settings.database_url)
    _tell(current, newest, f"the database is at revision {current}", as_json)


@db.command()
@_database
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def backup(commands: Commands, url: str, target: Path, as_json: bool) -> None:
    """Copy a consistent snapshot of an SQLite database to FILE, while the service runs.

    Keep the service's secret and signing key with it: docs/operate.md.
    """
    if target.exists():
        raise Wrong(f"{target} is there already: name a new file")
    with errors_in_one_line():
        size = commands.back_up(url, target)
    click.echo(json.dumps({"file": str(target), "bytes": size}) if as_json else f"{size} bytes in {target}")


@db.command()
@config_option
@_database
@json_option
@click.pass_context
def check(context: click.Context, config: Path | None, url: str, as_json: bool) -> None:
    """Check the database for faults: revision, file, triggers, missing end, missing keys; exit code 1 if any.

    Writes nothing. The keys are those that the configuration names; a copy named by --database is checked without them,
    unless --config is given, too. `hookfold audit verify` checks the events.
    """
    commands: Commands = context.obj
    named = context.get_parameter_source("url") is click.core.ParameterSource.COMMANDLINE
    served = config is not None or (not named and config_path(os.environ).exists())
    with errors_in_one_line():
        found = commands.faults(url, read_settings(config, url) if served else None)
    if as_json:
        click.echo(json.dumps({"faults": found}))
    for fault in [] if as_json else found:
        click.echo(fault)
    if found:
        raise Failed(f"{counted(len(found), 'thing is', 'things are')} wrong with the database")
    if not as_json:
        click.echo("nothing is wrong with the database; `hookfold audit verify` checks what is in it")


def _tell(current: str | None, newest: str | None, words: str, as_json: bool) -> None:
    click.echo(json.dumps({"current": current, "newest": newest}) if as_json else words)
