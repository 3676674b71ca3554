"""How a process gets a connection to the one that writes: it makes a pair of sockets, and hands one end over.

That goes through a pair that both have from their parent, which outlives them. So there is no name, which a cleaner of
temporary folders could take away and anybody on the machine could find; what is handed over while nobody takes it
waits.
"""

import socket
from contextlib import suppress


def connect(handing: socket.socket) -> socket.socket:
    """A connection to whoever takes its other end. Raises OSError where too many wait for that, or files are short."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(handing, [b"\0"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def accept(taking: socket.socket) -> socket.socket | None:
    """The next one that was handed over. None where there is none, or no room for another file: its process sees it."""
    ends: list[int] = []
    with suppress(OSError):
        _, ends, _, _ = socket.recv_fds(taking, 1, 1)
    return socket.socket(fileno=ends[0]) if ends else None
