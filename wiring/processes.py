"""The work of each process of a service, from start to end. The main process forks them."""

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
    """The counter file of one process, and those of all; see `Tally`."""

    own: int
    every: tuple[int, ...]

    def tally(self, metrics: Iterable[Any]) -> Tally:
        tally = Tally(self.own, self.every)
        for metric in metrics:
            tally.register(metric)
        return tally


def answer(listening: socket, counted: TallyFiles, to_writer: socket, parent: Parent) -> None:
    """A serving process.

    It may be restarted while the database is away, because `serve` has migrated it.
    """
    components, tally = wire_handed(parent.hand, "server"), counted.tally(METRICS)
    door, link = components.door(), Link(partial(connect, to_writer), components.ids, components.patience)
    api = components.api(link.append, tally)
    renewed = partial(renew, door=door, api=api)
    forwards = forwarding(components, door, link, listening.getsockname()[:2])
    with tracing("server") as spans:
        _answer(parent, components, door, link, api, tally, listening, renewed, forwards, spans)


def answer_questions(listening: socket, counted: TallyFiles, parent: Parent) -> None:
    """A serving process of a read-only service."""
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
    """The tail of the log, and one for each kind of stream whose states are followed."""
    reads = {EVENTS: partial(read_tail, api)} | {name: partial(read_changes, name, api) for name in CHANGES}
    return {name: Tail(read, link.listen, replayed=api.replica is not None) for name, read in reads.items()}


def write(taking: socket, parent: Parent) -> None:
    """The writer, with one thread and one connection.

    All connections of a process to an SQLite file share what the first one found, such as that the file is read-only.
    With a second connection open, the writer could not recover from that.
    """
    components = wire_handed(parent.hand, "writer")
    log = components.log()
    tune()
    with tracing("writer") as spans:
        write_for_parent(parent, taking, log, spans)
    log.close()
    components.close()


def relay(counted: TallyFiles, to_writer: socket, parent: Parent) -> None:
    """The relay process: it delivers the outbox, drains spools and reconciles."""
    components, tally = wire_handed(parent.hand, "relay"), counted.tally(FORWARD_METRICS)
    link = Link(partial(connect, to_writer), components.ids, components.patience)
    tally.begin()
    with tracing("relay") as spans:
        relay_for_parent(parent, partial(background, components, link, spans), link, renew_background)
    tally.close()
    components.close()


def maintain(parent: Parent) -> None:
    """The upkeep process: seals, folds long streams, checkpoints SQLite's write-ahead log, and other periodic work.

    So the serving and writing processes have their interpreters for themselves. It also keeps SQLite's files open.
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
    """The upkeep process of a read-only service, which only keeps SQLite's files open."""
    components = wire_handed(parent.hand, "upkeep", keeps=True)
    _keep_files(components, parent.hand)
    wait_for_parent(parent, lambda _: None)
    components.close()


def _keep_files(components: Components, hand: ProcessInput) -> None:
    """Opens SQLite's files, so that other processes find the same ones. A restarted process may continue without."""
    if components.engine.dialect.name != "sqlite":
        return
    try:
        components.engine.connect().close()
    except (Unavailable, SQLAlchemyError):
        if hand.files is None:
            raise
