"""`hookfold serve`: the service, until it is stopped."""

import os
import socket
import time
from pathlib import Path

import click
import msgspec

from adapters.cli.commands import (
    Commands,
    Failed,
    Serving,
    Wrong,
    config_option,
    database_option,
    errors_in_one_line,
    port_option,
    read_settings,
)
from adapters.cli.meter import Meter
from adapters.cli.running.hello import hello
from adapters.config import Settings
from adapters.sql import ReplayRefused


@click.command()
@config_option
@database_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@port_option
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="They share the port.")
@click.option("--rebuild-on-start", "rebuild", is_flag=True, help="First fold the log where this release has not.")
@click.option("--read-only", is_flag=True, help="Answer questions over a standby or a copy; write nothing.")
@click.option("--hello", "greet", is_flag=True, help="Print a signed curl to try.")
@click.pass_obj
def serve(
    commands: Commands,
    config: Path | None,
    database: str | None,
    host: str,
    port: int | None,
    processes: int,
    rebuild: bool,
    read_only: bool,
    greet: bool,
) -> None:
    """Receive webhooks, answer questions.

    The database is brought to the newest revision first. SIGTERM or Ctrl-C stops the service after its last answer.
    Where a process of it cannot be started it ends with exit code 1.
    """
    if read_only and (rebuild or greet):
        raise Wrong("--read-only writes nothing: leave --rebuild-on-start and --hello out")
    found = read_settings(config, database, port, senders=not read_only)
    found = msgspec.structs.replace(found, port=_free(host, found.port))
    if greet:
        click.echo(hello(found, time.time()))
    os.environ |= _surroundings(found)
    with errors_in_one_line():
        if rebuild:
            _rebuild(commands, found)
        broken = commands.serve(found, Serving(host, processes, read_only))
    if broken:
        raise Failed(f"the service gave up: {broken}")


def _rebuild(commands: Commands, found: Settings) -> None:
    meter = Meter()
    commands.migrate(found.database_url)
    try:
        with commands.replay(found) as opened:
            opened.rebuild_where_unbuilt(meter.tell)
    except ReplayRefused as error:
        raise Failed(str(error)) from error
    meter.end()


def _surroundings(found: Settings) -> dict[str, str]:
    """What is read again at SIGHUP: the options have to count then, too."""
    return {
        "HOOKFOLD_CONFIG": str(found.path.absolute()),
        "HOOKFOLD_DATABASE_URL": found.database_url,
        "HOOKFOLD_PORT": str(found.port),
    }


def _free(host: str, port: int) -> int:
    """The port, or any free one for 0. Raises Wrong where somebody listens there: the server shares ports.

    Two services on one port would take half of the requests each, and nobody would be told.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that were closed do not count
        try:
            probe.bind((host, port))
        except OSError as error:
            mend = "take another one with --port or HOOKFOLD_PORT"
            raise Wrong(f"cannot listen on {host} port {port} ({error.strerror}): {mend}") from error
        return int(probe.getsockname()[1])
