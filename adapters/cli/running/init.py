"""`hookfold init`: a commented configuration with fresh secrets."""

import json
import os
from pathlib import Path

import click

from adapters.cli.commands import Wrong, config_option, json_option
from adapters.config import ConfigError, config_path, write_template


@click.command()
@config_option
@click.option("--if-missing", is_flag=True, help="Leave a configuration that is there as it is, and say nothing.")
@json_option
def init(config: Path | None, if_missing: bool, as_json: bool) -> None:
    """Write a commented hookfold.toml with a source for each provider, and a fresh secret for each that signs."""
    path = config or config_path(os.environ)
    made = [] if if_missing and path.exists() else _made(path)
    if as_json:
        click.echo(json.dumps({"wrote": made}))
    elif made:
        click.echo("wrote " + ", ".join(made))


def _made(path: Path) -> list[str]:
    try:
        return [str(file) for file in write_template(path)]
    except ConfigError as error:
        raise Wrong(str(error)) from error
