"""`hookfold audit bundle`: the evidence of a session or a measurement, for who does not trust us."""

import json
import shutil
from pathlib import Path

import click

from adapters.audit import Contradiction, Uncovered
from adapters.cli.audit.checkpoints import kept_checkpoint
from adapters.cli.commands import Commands, Failed, configured, json_option
from adapters.cli.keeping import by_option, keeping
from adapters.config import Settings
from adapters.sql import MissingEvent


@click.command()
@configured()
@click.argument("name", metavar="ID")
@by_option
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    help="A checkpoint that its reader keeps: the proof that leads from it goes into the bundle. Also several times.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The zip.  [default: evidence-ID.zip]")
@json_option
def bundle(
    commands: Commands,
    settings: Settings,
    name: str,
    by: str | None,
    against: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the evidence of ID (ses_… or mea_…): raw bodies, proofs, trace, a report, and verify.py, which checks it.

    It holds everything that the sender sent. That it was made is recorded in the log.
    """
    with keeping(commands, settings) as opened:
        try:
            chain = opened.signer.chain()
            kept = [kept_checkpoint(one, chain) for one in against]
            made = opened.evidence.bundle(name, by, kept)
        except (LookupError, Contradiction, MissingEvent, Uncovered) as error:
            raise Failed(str(error)) from error
        except OSError as error:
            raise Failed(f"there is no room to make it in the temporary folder: {error}") from error
    path = output or Path(made.name)
    try:
        with made.file, path.open("wb") as file:
            shutil.copyfileobj(made.file, file)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error}") from error
    if as_json:
        click.echo(json.dumps({"file": str(path)}))
    else:
        click.echo(f"wrote {path}: python verify.py {path} checks it with any copy of verify.py, without a network")
