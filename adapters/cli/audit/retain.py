"""`hookfold audit retain`: erases what is older than its source may be kept."""

import json
from datetime import timedelta
from pathlib import Path

import click

from adapters.cli.commands import Commands, Keeping, configured, json_option
from adapters.cli.keeping import by_option, certify, counts, dry_option, keeping, progress, words
from adapters.config import Settings, Source
from adapters.sql import Erasable


@click.command()
@configured()
@by_option
@dry_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="NAME.txt: NAME-<source>.txt each."
)
@json_option
def retain(
    commands: Commands, settings: Settings, by: str | None, dry_run: bool, output: Path | None, as_json: bool
) -> None:
    """Erase what is older than its source's `keep_for`. Run it daily; it does nothing where nothing is due.

    Whole streams only: of one that still receives events, nothing goes.
    """
    told: dict[str, Erasable] = {}
    certificates: dict[str, str] = {}
    with keeping(commands, settings) as opened:
        for name, source in sorted(opened.settings.sources.items()):
            if source.keep_for is not None:
                told[name] = _due(opened, source, source.keep_for)
                if told[name] and not dry_run:
                    file = output and output.with_stem(f"{output.stem}-{name}")
                    certificates[name] = _erase(opened, told[name], source.keep_for, by, file, as_json)
    if as_json:
        click.echo(json.dumps(_document(told, certificates)))
    else:
        _tell(told, "would be erased" if dry_run else "erased")


def _due(opened: Keeping, source: Source, keep_for: int) -> Erasable:
    return opened.keeper.eraser.before(source.name, opened.clock() - keep_for)


def _erase(opened: Keeping, found: Erasable, keep_for: int, by: str | None, output: Path | None, as_json: bool) -> str:
    reason = f"retention: kept for {timedelta(microseconds=keep_for)}"
    return certify(opened, opened.keeper.eraser.erase(found, reason, by, progress), reason, by, output, as_json)


def _document(told: dict[str, Erasable], certificates: dict[str, str]) -> dict[str, dict[str, object]]:
    """What was found of each source, and the certificate where anything of it was erased."""
    written = {name: {"certificate": certificate} for name, certificate in certificates.items()}
    return {name: {**counts(found), **written.get(name, {})} for name, found in told.items()}


def _tell(told: dict[str, Erasable], verb: str) -> None:
    for name, found in told.items():
        click.echo(f"{name}: {words(found)} {verb}")
    if not told:
        click.echo("no source has a keep_for")
