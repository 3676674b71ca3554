"""`hookfold db`: the revision of the database."""

import json
from pathlib import Path

import click

from adapters.cli.commands import (
    Commands,
    Failed,
    config_option,
    database_option,
    errors_in_one_line,
    json_option,
    settings,
)

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
    """Look at the database's revision, bring it to the newest one, or begin a new log."""


@db.command()
@_database
@json_option
@click.pass_obj
def upgrade(commands: Commands, url: str, as_json: bool) -> None:
    """Bring the database to the newest revision. `serve` does the same when it starts."""
    with errors_in_one_line():
        commands.migrate(url)
        current, newest = commands.revision(url)
    _tell(current, newest, f"the database is at revision {current}", as_json)


@db.command()
@_database
@json_option
@click.pass_obj
def status(commands: Commands, url: str, as_json: bool) -> None:
    """Tell the database's revision and the newest one; exit code 1 where they differ."""
    with errors_in_one_line():
        current, newest = commands.revision(url)
    _tell(current, newest, f"revision {current or 'none'}, newest {newest}", as_json)
    if current != newest:
        raise Failed("the database is not at the newest revision: `hookfold db upgrade` brings it there")


@db.command()
@config_option
@database_option
@json_option
@click.pass_obj
def new(commands: Commands, config: Path | None, database: str | None, as_json: bool) -> None:
    """Begin an empty log, though the secrets of another one are there: that one is lost, or stands elsewhere."""
    found = settings(config, database)
    with errors_in_one_line():
        commands.begin(found)
        current, newest = commands.revision(found.database_url)
    _tell(current, newest, f"the database is at revision {current}", as_json)


def _tell(current: str | None, newest: str | None, words: str, as_json: bool) -> None:
    click.echo(json.dumps({"current": current, "newest": newest}) if as_json else words)
