"""The composition root: `create_app` is the WSGI application, `serve` the whole service, `main` the command line."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from socket import socket

import structlog
from flask import Flask

from adapters.cli import Commands, Serving, command_line
from adapters.config import Settings
from adapters.http import CHANGES, EVENTS, Api, Door, Tally, read_changes, read_tail
from adapters.server import (
    FORWARD_METRICS,
    METRICS,
    Bridge,
    Ending,
    Forwarding,
    Front,
    Link,
    NoWriter,
    Tail,
    configure_logs,
    connect,
    counting,
    delivering,
    handed,
    listener,
    relay_for_parent,
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
from wiring.forwarding import background, forwarding, refuse_forwards, refuse_loops, renew_background
from wiring.limits import limits
from wiring.opening import open_to_read, start
from wiring.parts import THREADS, Handed, Parts, wire_handed
from wiring.renewing import Renewal, renew, renew_tokens
from wiring.warnings import warn

Hand = Callable[[object], object]


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
    parts, tally = wire_handed(handed()), _tally()
    door, link = parts.door(), Link(partial(connect, to_writer()), parts.ids, parts.patience)
    api = parts.api(link.append, tally)
    _answer(parts, door, link, api, tally, partial(renew, door=door, api=api), forwarding(parts, door, link))


def answer_questions() -> None:
    """The same of a service that only reads: nobody writes."""
    configure_logs()
    parts, tally = wire_handed(handed()), _tally()
    api = parts.reading_api(tally)
    _answer(parts, parts.closed_door(), NoWriter(), api, tally, partial(renew_tokens, api=api))


def _tally() -> Tally:
    tally = Tally(*tallies())
    for metric in METRICS:
        tally.register(metric)
    return tally


def _answer(
    parts: Parts,
    door: Door,
    link: Link | NoWriter,
    api: Api,
    tally: Tally,
    renewed: Callable[[Handed], None],
    forwards: Forwarding | None = None,
) -> None:
    listening = listener()
    bridge = Bridge(parts.http(api, door, link.append), THREADS, listening.getsockname()[:2], _tails(api, link))
    tune()
    tally.begin()
    front = Front(door, link, bridge, forwards, limits(parts.settings))
    serve_for_parent(front, link, door.max_body, listening, renewed)
    parts.close()


def _tails(api: Api, link: Link | NoWriter) -> dict[str, Tail]:
    """That of the log, and one for each kind of stream whose changes are told: none reads while nobody follows it."""
    reads = {EVENTS: partial(read_tail, api)} | {name: partial(read_changes, name, api) for name in CHANGES}
    return {name: Tail(read, link.listen, replayed=api.replica is not None) for name, read in reads.items()}


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
    parts.close()


def relay() -> None:
    """The process that delivers to the handlers of relayed sources, and reconciles, until its parent is gone."""
    configure_logs()
    parts = wire_handed(handed())
    link = Link(partial(connect, to_writer()), parts.ids, parts.patience)
    tally = Tally(*tallies())
    for metric in FORWARD_METRICS:
        tally.register(metric)
    tally.begin()
    relay_for_parent(partial(background, parts), link, renew_background)
    tally.close()
    parts.close()


def serve(settings: Settings, asked: Serving) -> str | None:
    """Serves until it is told to stop, or a process of it is broken, which is returned.

    What is wrong with the database is told here, before a process is started.

    SIGHUP has it read the secrets again. This process seals, folds long streams anew, and carries SQLite's write-ahead
    log over: those that serve and write share their interpreters with nobody.
    """
    if asked.read_only:
        return _serve_questions(settings, asked)
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
        counting(asked.processes + 1) as tallied,
        _background(parts.works_behind(), hand, handing, tallied) as hand_behind,
        serving(
            "from app import answer; answer()",
            hand,
            asked.host,
            settings.port,
            asked.processes,
            handing,
            tallied,
            ending.give_up,
        ) as hand_anew,
    ):
        structlog.get_logger().info("listening", host=asked.host, port=settings.port)
        broken = ending.wait(Renewal(parts, partial(_hand_all, [hand_anew, hand_behind])))
    parts.close()
    return broken


def _serve_questions(settings: Settings, asked: Serving) -> str | None:
    """Nothing is written: no process for it, no checkpoint, no sign of life."""
    parts = open_to_read(settings)
    warn(parts, asked.host)
    hand, ending = parts.handed(), Ending()
    code = "from app import answer_questions; answer_questions()"
    with (
        counting(asked.processes) as tallied,
        serving(code, hand, asked.host, settings.port, asked.processes, None, tallied, ending.give_up) as hand_anew,
    ):
        structlog.get_logger().info("listening", host=asked.host, port=settings.port, read_only=True)
        broken = ending.wait(Renewal(parts, hand_anew))
    parts.close()
    return broken


def _background(works: bool, hand: object, handing: socket, tallied: Sequence[int]) -> AbstractContextManager[Hand]:
    """The process that does what nobody waits for, where there is any of that; what hands it something else."""
    return delivering("from app import relay; relay()", hand, handing, tallied) if works else nullcontext(id)


def _hand_all(hands: Sequence[Hand], hand: object) -> None:
    for one in hands:
        one(hand)


def main() -> None:
    """The command line."""
    configure_logs()
    command_line(commands())()


def commands() -> Commands:
    """What the command line does."""
    return wired(serve)
