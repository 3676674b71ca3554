"""Hookfold's log without a server and without HTTP: as a thread's own commits, and through the process that writes."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from socket import SHUT_WR, socket, socketpair
from threading import Thread
from time import monotonic
from typing import Any

import uvloop
from sqlalchemy import text

from adapters.config import load
from adapters.server import Link, Parent, connect, to_writer
from adapters.sql import Entry, GroupCommit, Probe, Receipt, Rejection, Unavailable, carrying
from bench.servers import settings_of
from bench.traffic import SOURCE, Message
from wiring.components import ProcessInput
from wiring.opening import open_components
from wiring.processes import write


class Own:
    """One process, whose threads commit for one another, as under any WSGI server. `url`: made ready here."""

    def __init__(self, folder: Path, url: str) -> None:
        self._parts = open_components(load(None, settings_of(folder, url)))
        self._door = self._parts.door()
        self._log = self._parts.log()
        self._group = GroupCommit(self._log.commit)

    def append(self, message: Message) -> None:
        """Verifies, reads, appends, folds, commits; returns when all of it is durable. Any thread may call."""
        receipt = self._commit(self._door.receive(SOURCE, message.headers, message.body))
        if receipt.verdict != "new":
            raise AssertionError(f"{message} was found to be {receipt.verdict}")

    def _commit(self, item: Entry | Rejection) -> Receipt:
        return self._group.append(item)

    def append_all(self, messages: Sequence[Message]) -> None:
        """Appends many in one transaction, each like any other delivery; not while anybody else appends."""
        items = [self._door.receive(SOURCE, message.headers, message.body) for message in messages]
        if any(receipt.verdict != "new" for receipt in self._log.append(items)):
            raise AssertionError("not all of them were new")

    def events_of(self, messages: int, sessions: int) -> int:  # noqa: ARG002 - a session is no event
        """How many events the log has to hold."""
        return messages

    @property
    def stored(self) -> int:
        with self._parts.engine.connect() as connection:
            return int(
                connection.execute(
                    text("SELECT count(*) FROM events WHERE source = :name"), {"name": SOURCE}
                ).scalar_one()
            )

    def close(self) -> None:
        self._log.close()
        self._parts.engine.dispose()


_START = 60.0
"""Seconds for the writing process to answer."""


@contextmanager
def _writing(hand: ProcessInput) -> Iterator[socket]:
    """What connects to a process that writes, while the block lasts. Not by a fork: here the database is open."""
    ours, theirs = socketpair()
    with ours, to_writer() as (handing, taking):
        with theirs:
            process = get_context("spawn").Process(target=_write, args=[hand, theirs, taking])
            process.start()
        yield handing
        ours.shutdown(SHUT_WR)
        process.join()


def _write(hand: ProcessInput, line: socket, taking: socket) -> None:
    taking.setblocking(False)
    write(taking, Parent(hand, line))


class Written(Own):
    """What hands events to the writing process, as `make run` does: in an event loop, or from threads that wait."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        self._running = ExitStack()
        self._running.enter_context(carrying(self._parts.engine))
        handing = self._running.enter_context(_writing(self._parts.handed().complete()))
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._link = Link(partial(connect, handing), self._parts.ids, self._parts.patience)
        self._link.tie(self._loop)
        self._await_process()

    def _await_process(self) -> None:
        """Deliveries are measured once the process is there, and not while it starts."""
        deadline = monotonic() + _START
        while True:
            try:
                self._link.append(Probe())
            except Unavailable:
                if monotonic() > deadline:
                    raise
            else:
                return

    def _commit(self, item: Entry | Rejection) -> Receipt:
        return self._link.append(item)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs it in the event loop, to its end."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def hand_in(self, message: Message) -> None:
        """The same as `append`, for a caller in the event loop."""
        await self._await("new", message, message.headers)

    async def hand_in_forged(self, message: Message) -> None:
        """Hands it in with a signature that is another body's."""
        await self._await("rejected", message, Message(message.session, message.sequence, message.body + b" ").headers)

    async def _await(self, verdict: str, message: Message, headers: list[tuple[str, str]]) -> None:
        outcome: asyncio.Future[Receipt | Unavailable] = self._loop.create_future()
        self._link.commit(self._door.receive(SOURCE, headers, message.body), outcome.set_result)
        receipt = await outcome
        if not isinstance(receipt, Receipt) or receipt.verdict != verdict:
            raise AssertionError(f"{message} was found to be {receipt}")

    def close(self) -> None:
        self._running.close()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.1), self._loop).result()  # the link sees that its end is gone
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        super().close()
