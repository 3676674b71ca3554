"""`hookfold audit rotate-key`: another key signs the log, vouched for by the one before it."""

import json

import click

from adapters.audit import Contradiction, Uncovered
from adapters.cli.commands import Commands, Failed, configured, errors_in_one_line, json_option
from adapters.config import Settings
from adapters.sql import MissingEvent, NotInForce


@click.command("rotate-key")
@configured()
@click.option(
    "--new",
    metavar="REF",
    help='The new key, "env:NAME" or "file:PATH" with 64 hex digits, where the service will find it.  '
    "[default: made beside the old one, and put in its place]",
)
@json_option
def rotate_key(commands: Commands, settings: Settings, new: str | None, as_json: bool) -> None:
    """Have another key sign the log. The old one vouches for it in the log, so that its verifiers follow.

    The old key signs nothing from then on. Its file is kept under its id: it belongs to backups that were made before.
    """
    try:
        with errors_in_one_line():
            found = commands.rotate(settings, new)
    except (Contradiction, MissingEvent, NotInForce, Uncovered) as error:
        raise Failed(str(error)) from error
    if as_json:
        told = {"position": found.position, "key": str(found.key), "before": str(found.before)}
        click.echo(json.dumps(told | {"checkpoint": found.checkpoint}))
        return
    click.echo(f"{found.key}\nsigns this log from position {found.position} on; {found.before} vouches for it there")
    named = "" if new is None else f'set signing_key = "{new}", then '
    click.echo(f"{named}send running services SIGHUP, or start them anew: until then they sign nothing", err=True)
