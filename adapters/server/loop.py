"""Runs the event loop of a serving process, from the first connection to the last answer."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvloop

from adapters.server.commits.link import Link, NoWriter
from adapters.server.front import Front
from adapters.server.http11.connection import Connection
from adapters.server.http11.connections import Connections
from adapters.server.http11.descriptors import connections_at_most
from adapters.server.processes.parent import InputReader, Parent
from adapters.server.processes.pulse import Pulse
from adapters.server.processes.signals import STOPS

BACKLOG = 1_024
"""The backlog of connections, as far as the system allows."""

LONGEST = 20.0
"""The longest iteration of the event loop in seconds. After it this process is restarted."""

PATIENCE = 30.0
"""Seconds for pending requests when the service stops, and again for work that no client waits for."""


def serve_for_parent(
    parent: Parent,
    front: Front,
    link: Link | NoWriter,
    max_body: int,
    listening: socket.socket,
    renew: Callable[[Any], None],
) -> None:
    """Serves on the socket until the parent's pipe closes or SIGTERM arrives.

    `renew` receives what the parent sends meanwhile.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    site = Connections(front.answer, max_body, connections_at_most(), streams=front.streams)
    uvloop.run(_serve(parent, front, link, site, listening, renew))


async def _serve(
    parent: Parent,
    front: Front,
    link: Link | NoWriter,
    site: Connections,
    listening: socket.socket,
    renew: Callable[[Any], None],
) -> None:
    loop = asyncio.get_running_loop()
    link.tie(loop)
    pulse = Pulse(LONGEST, parent.line)
    pulse.start()
    site.begin(loop, pulse.goes_on)
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    loop.add_reader(parent.line, InputReader(parent.line, renew, told.set).read)
    server = await loop.create_server(lambda: Connection(site), sock=listening, backlog=BACKLOG)
    await told.wait()
    loop.remove_reader(parent.line)
    server.close()
    await site.close(PATIENCE)
    await front.settle(PATIENCE)
    closing = loop.run_in_executor(None, front.close)
    await asyncio.wait([closing], timeout=PATIENCE)
    link.close()
    await closing
