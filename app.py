"""The composition root: `create_app` is the WSGI application, `serve` the whole service, `main` the command line."""

from contextlib import closing
from functools import partial

import structlog
from flask import Flask

from adapters.cli import Commands, Serving, command_line
from adapters.config import Settings
from adapters.http import Tally, read_tail
from adapters.server import (
    METRICS,
    Bridge,
    Ending,
    Front,
    Link,
    Tail,
    configure_logs,
    connect,
    handed,
    listener,
    serve_for_parent,
    serving,
    tallies,
    to_writer,
    tune,
    write_for_parent,
    writing,
)
from adapters.sql import GroupCommit, carrying
from wiring.commands import wired
from wiring.forwarding import forwarding, refuse_forwards, refuse_loops
from wiring.limits import limits
from wiring.opening import start
from wiring.parts import THREADS, wire_handed
from wiring.renewing import Renewal, renew
from wiring.warnings import warn


def create_app(settings: Settings) -> Flask:
    """The WSGI application: everything that the service answers, under any WSGI server. Its threads commit and seal."""
    if not structlog.is_configured():
        configure_logs()
    refuse_forwards(settings)
    parts = start(settings)
    parts.sealer()
    parts.folding()
    parts.presence()
    parts.lookout()
    return parts.flask(parts.door(), GroupCommit(parts.log().commit, parts.patience).append)


def answer() -> None:
    """One serving process, until its parent is gone. The writing process commits.

    One that is started anew while the database is away answers so: `serve` migrated.
    """
    configure_logs()
    parts, listening = wire_handed(handed()), listener()
    door, link = parts.door(), Link(partial(connect, to_writer()), parts.ids, parts.patience)
    tally = Tally(*tallies())
    for metric in METRICS:
        tally.register(metric)
    api = parts.api(link.append, tally)
    tail = Tail(partial(read_tail, api), link.listen)
    bridge = Bridge(parts.http(api, door, link.append), THREADS, listening.getsockname()[:2], tail)
    tune()
    tally.begin()
    front = Front(door, link, bridge, forwarding(parts, door, link), limits(parts.settings))
    serve_for_parent(front, link, door.max_body, listening, partial(renew, door=door, api=api))
    parts.engine.dispose()


def write() -> None:
    """The writing process, until its parent is gone.

    It has one thread and one connection. All connections of a process to one SQLite file share what the first of them
    found, such as that nothing may be written: who writes could not recover from that while another one is kept.
    """
    configure_logs()
    parts = wire_handed(handed())
    log = parts.log()
    tune()
    write_for_parent(log)
    log.close()
    parts.engine.dispose()


def serve(settings: Settings, asked: Serving) -> str | None:
    """Serves until it is told to stop, or a process of it is broken, which is returned.

    What is wrong with the database is told here, before a process is started.

    SIGHUP has it read the secrets again. This process seals, folds long streams anew, and carries SQLite's write-ahead
    log over: those that serve and write share their interpreters with nobody.
    """
    refuse_loops(settings, asked.host)
    parts = start(settings)
    warn(parts, asked.host)
    hand, ending = parts.handed(), Ending()
    with (
        carrying(parts.engine),
        closing(parts.sealer()),
        closing(parts.folding()),
        closing(parts.presence()),
        closing(parts.lookout()),
        writing("from app import write; write()", hand, ending.give_up) as handing,
        serving(
            "from app import answer; answer()",
            hand,
            asked.host,
            settings.port,
            asked.processes,
            handing,
            ending.give_up,
        ) as hand_anew,
    ):
        structlog.get_logger().info("listening", host=asked.host, port=settings.port)
        broken = ending.wait(Renewal(parts, hand_anew))
    parts.engine.dispose()
    return broken


def main() -> None:
    """The command line."""
    configure_logs()
    command_line(commands())()


def commands() -> Commands:
    """What the command line does."""
    return wired(serve)
