"""Runs the relaying process with an event loop of its own, which delays no serving process."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import structlog
import uvloop

from adapters.server.commits.link import Link, outcome_of
from adapters.server.processes.parent import InputReader, Parent
from adapters.server.processes.pulse import EVERY, Pulse
from adapters.server.processes.signals import leave_to_parent
from adapters.sql import Entry, Receipt

_logger = structlog.get_logger()

LONGEST = 20.0
"""The longest iteration of the event loop in seconds. After it this process is restarted."""
PATIENCE = 45.0
"""Seconds for pending deliveries when the service stops: longer than a handler's default time."""

Ask = Callable[..., Any]


class Background(Protocol):
    """Background work; see `Relaying`."""

    def wake(self) -> None: ...

    def stop(self) -> None: ...

    async def run(self) -> None: ...


Made = Callable[[Ask, Callable[[Entry], Any]], Sequence[Background]]
"""Builds the background work from a function that queries the database and one that commits."""


Renew = Callable[[Sequence[Background], Any], None]
"""Takes what the parent sends meanwhile, such as new secrets."""


def relay_for_parent(parent: Parent, made: Made, link: Link, renew: Renew) -> None:
    """Delivers until the parent's pipe closes."""
    leave_to_parent()
    uvloop.run(_relay(parent, made, link, renew))


async def _relay(parent: Parent, made: Made, link: Link, renew: Renew) -> None:
    loop = asyncio.get_running_loop()
    link.tie(loop)
    pulse = Pulse(LONGEST, parent.line)
    pulse.start()
    told = asyncio.Event()
    with ThreadPoolExecutor(1, "hookfold-outbox") as thread:
        relays = made(partial(loop.run_in_executor, thread), partial(_commit, link))
        loop.add_reader(parent.line, InputReader(parent.line, partial(renew, relays), told.set).read)
        running = [loop.create_task(_run(one, told)) for one in relays]
        looking = loop.create_task(_look(relays, link, pulse))
        await told.wait()
        loop.remove_reader(parent.line)
        for one in relays:
            one.stop()
        await asyncio.wait(running, timeout=PATIENCE)
        looking.cancel()
    link.close()


async def _run(one: Background, told: asyncio.Event) -> None:
    """Runs one background task. An unexpected exception is logged and ends the process, which is restarted."""
    try:
        await one.run()
    except Exception:
        _logger.exception("background_failed")
        told.set()


async def _look(relays: Sequence[Background], link: Link, pulse: Pulse) -> None:
    """Registers for commits again, since the writer may have been replaced."""

    def wake() -> None:
        for one in relays:
            one.wake()

    while True:
        pulse.goes_on()
        link.listen(wake)
        await asyncio.sleep(EVERY)


async def _commit(link: Link, entry: Entry) -> Receipt | None:
    outcome = await outcome_of(link, entry)
    return outcome if isinstance(outcome, Receipt) else None
