"""A writer in a thread, and what connects to it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from adapters.server import Parent, Spans, connect
from adapters.server.commits.writer import Writer


@contextmanager
def connecting(log: Any, patience: float = 10, spans: Spans | None = None) -> Iterator[Callable[[], socket.socket]]:
    """What connects to a writer of that log; the writer ends with the block."""
    theirs, ours = socket.socketpair()
    taking, handing = socket.socketpair()

    def connected() -> socket.socket:
        connection = connect(handing)
        connection.settimeout(patience)
        return connection

    with taking, handing, ours:
        taking.setblocking(False)
        thread = Thread(target=Writer(Parent(None, ours), taking, log, spans).run, daemon=True)
        thread.start()
        try:
            yield connected
        finally:
            theirs.close()
            thread.join(patience)
        assert not thread.is_alive()
