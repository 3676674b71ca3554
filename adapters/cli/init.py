"""`hookfold init`: a commented configuration with fresh secrets."""

import os
from pathlib import Path

import click

from adapters.cli.commands import Wrong, config_option
from adapters.config import ConfigError, config_path, write_template


@click.command()
@config_option
@click.option("--if-missing", is_flag=True, help="Leave a configuration that is there as it is, and say nothing.")
def init(config: Path | None, if_missing: bool) -> None:
    """Write a commented hookfold.toml with a source for each provider, and a fresh secret for each that signs."""
    path = config or config_path(os.environ)
    if if_missing and path.exists():
        return
    try:
        made = write_template(path)
    except ConfigError as error:
        raise Wrong(str(error)) from error
    click.echo("wrote " + ", ".join(str(file) for file in made))
