"""What each process of a service does, from its start to its end. The main one starts them by a fork."""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from socket import socket
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from adapters.http import CHANGES, EVENTS, Api, Door, Tally, read_changes, read_tail
from adapters.server import (
    FORWARD_METRICS,
    METRICS,
    Bridge,
    Forwarding,
    Front,
    Link,
    NoWriter,
    Parent,
    Spans,
    Tail,
    connect,
    relay_for_parent,
    serve_for_parent,
    tune,
    wait_for_parent,
    write_for_parent,
)
from adapters.sql import Unavailable, carrying
from wiring.components import THREADS, Components, ProcessInput, wire_handed
from wiring.forwarding import background, forwarding, renew_background
from wiring.limits import limits
from wiring.renewing import renew, renew_key, renew_tokens
from wiring.tracing import tracing


@dataclass(frozen=True, slots=True)
class TallyFiles:
    """The file for what one process counts, and those of all; see `Tally`."""

    own: int
    every: tuple[int, ...]

    def tally(self, metrics: Iterable[Any]) -> Tally:
        tally = Tally(self.own, self.every)
        for metric in metrics:
            tally.register(metric)
        return tally


def answer(listening: socket, counted: TallyFiles, to_writer: socket, parent: Parent) -> None:
    """One process that serves. The writing process commits.

    One that is started anew while the database is away answers so: `serve` migrated.
    """
    components, tally = wire_handed(parent.hand, "server"), counted.tally(METRICS)
    door, link = components.door(), Link(partial(connect, to_writer), components.ids, components.patience)
    api = components.api(link.append, tally)
    renewed = partial(renew, door=door, api=api)
    forwards = forwarding(components, door, link, listening.getsockname()[:2])
    with tracing("server") as spans:
        _answer(parent, components, door, link, api, tally, listening, renewed, forwards, spans)


def answer_questions(listening: socket, counted: TallyFiles, parent: Parent) -> None:
    """The same of a service that only reads: nobody writes."""
    components, tally = wire_handed(parent.hand, "server"), counted.tally(METRICS)
    api = components.reading_api(tally)
    _answer(
        parent, components, components.closed_door(), NoWriter(), api, tally, listening, partial(renew_tokens, api=api)
    )


def _answer(
    parent: Parent,
    components: Components,
    door: Door,
    link: Link | NoWriter,
    api: Api,
    tally: Tally,
    listening: socket,
    renewed: Callable[[ProcessInput], None],
    forwards: Forwarding | None = None,
    spans: Spans | None = None,
) -> None:
    bridge = Bridge(components.http(api, door, link.append), THREADS, listening.getsockname()[:2], _tails(api, link))
    tune()
    tally.begin()
    front = Front(door, link, bridge, forwards, limits(components.settings), spans)
    serve_for_parent(parent, front, link, door.max_body, listening, renewed)
    components.close()


def _tails(api: Api, link: Link | NoWriter) -> dict[str, Tail]:
    """That of the log, and one for each kind of stream whose changes are told: none reads while nobody follows it."""
    reads = {EVENTS: partial(read_tail, api)} | {name: partial(read_changes, name, api) for name in CHANGES}
    return {name: Tail(read, link.listen, replayed=api.replica is not None) for name, read in reads.items()}


def write(taking: socket, parent: Parent) -> None:
    """The process that writes.

    It has one thread and one connection. All connections of a process to one SQLite file share what the first of them
    found, such as that nothing may be written: who writes could not recover from that while another one is kept.
    """
    components = wire_handed(parent.hand, "writer")
    log = components.log()
    tune()
    with tracing("writer") as spans:
        write_for_parent(parent, taking, log, spans)
    log.close()
    components.close()


def relay(counted: TallyFiles, to_writer: socket, parent: Parent) -> None:
    """The process that delivers to the handlers of relayed sources, and reconciles."""
    components, tally = wire_handed(parent.hand, "relay"), counted.tally(FORWARD_METRICS)
    link = Link(partial(connect, to_writer), components.ids, components.patience)
    tally.begin()
    with tracing("relay") as spans:
        relay_for_parent(parent, partial(background, components, link, spans), link, renew_background)
    tally.close()
    components.close()


def maintain(parent: Parent) -> None:
    """The process that seals, folds long streams anew, carries SQLite's write-ahead log over, and looks after the rest.

    Those that serve and write share their interpreters with nobody. It keeps SQLite's files open.
    """
    components = wire_handed(parent.hand, "upkeep", keeps=True)
    _keep_files(components, parent.hand)
    with (
        carrying(components.engine),
        closing(components.sealer()),
        closing(components.folding()),
        closing(components.presence()),
        closing(components.monitor()),
    ):
        wait_for_parent(parent, partial(renew_key, components=components))
    components.close()


def keep(parent: Parent) -> None:
    """The same of a service that only reads: it keeps SQLite's files open."""
    components = wire_handed(parent.hand, "upkeep", keeps=True)
    _keep_files(components, parent.hand)
    wait_for_parent(parent, lambda _: None)
    components.close()


def _keep_files(components: Components, hand: ProcessInput) -> None:
    """Opens SQLite's, so that the other processes find them there. One that is started anew goes on without them."""
    if components.engine.dialect.name != "sqlite":
        return
    try:
        components.engine.connect().close()
    except (Unavailable, SQLAlchemyError):
        if hand.files is None:
            raise
