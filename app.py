"""The composition root: `create_app` is the WSGI application, `serve` the whole service, `main` the command line."""

from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from itertools import repeat
from typing import Any

import structlog
from flask import Flask

from adapters.cli import Commands, Serving, command_line
from adapters.config import Settings
from adapters.server import Child, Reloading, Supervisor, configure_logs, counting, listening, to_writer
from adapters.sql import GroupCommit, database_name
from wiring.commands import wired
from wiring.components import Components, ProcessInput
from wiring.forwarding import refuse_forwards, refuse_loops
from wiring.opening import open_to_read, start
from wiring.processes import TallyFiles, answer, answer_questions, keep, maintain, relay, write
from wiring.renewing import reload
from wiring.spools import prepare, warn_of_left
from wiring.tracing import prepare_tracing
from wiring.warnings import warn


def create_app(settings: Settings) -> Flask:
    """The complete WSGI application for any WSGI server. Its threads commit, and background threads do the upkeep."""
    if not structlog.is_configured():
        configure_logs()
    refuse_forwards(settings)
    components = start(settings)
    warn_of_left(settings, components.ids, components.spooled_as)
    components.sealer()
    components.folding()
    components.presence()
    components.monitor()
    return components.flask(components.door(), GroupCommit(components.log().commit, components.patience).append)


def serve(settings: Settings, asked: Serving) -> str | None:
    """Serves until it is told to stop, or a process is broken; then returns the reason.

    The database is checked and closed before the first process is started. SIGHUP rereads the secrets.
    """
    if not asked.read_only:
        refuse_loops(settings, asked.host)
    with closing(open_to_read(settings) if asked.read_only else start(settings, _prepare_spools)) as components:
        warn(components, asked.host)
        if not asked.read_only:
            prepare_tracing()
        hand, needs_relay_process = components.handed(), components.needs_relay_process()
    with (
        listening(asked.host, settings.port, asked.processes) as sockets,
        counting(asked.processes + 1) as files,
        to_writer() as (handing, taking),
    ):
        counted = [TallyFiles(file, tuple(files)) for file in files]
        if asked.read_only:
            first = Child("upkeep", keep)
            stages = [_serving(answer_questions, zip(sockets, counted, strict=False))]
        else:
            serving = _serving(answer, zip(sockets, counted, repeat(handing), strict=False))
            relaying = [Child("relay", partial(relay, counted[-1], handing), needed=False, takes_anew=True)]
            writing = [Child("writer", partial(write, taking))]
            first = Child("upkeep", maintain, takes_anew=True)
            stages = [serving, relaying if needs_relay_process else [], writing]
        told = {"host": asked.host, "port": settings.port, "database": database_name(settings.database_url)}
        structlog.get_logger().info("listening", **told, read_only=asked.read_only)
        return Supervisor(first, stages, hand, ProcessInput.complete, Reloading(reload)).run()


def _prepare_spools(components: Components) -> None:
    prepare(components.settings, components.ids, components.spooled_as)


def _serving(work: Callable[..., object], ports: Iterable[tuple[Any, ...]]) -> list[Child]:
    return [Child("server", partial(work, port, *rest), takes_anew=True, port=port) for port, *rest in ports]


def main() -> None:
    """The command line."""
    configure_logs()
    command_line(commands())()


def commands() -> Commands:
    """The implementations of the commands."""
    return wired(serve)
