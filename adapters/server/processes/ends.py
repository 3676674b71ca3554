"""How a process connects to the writer: it makes a socket pair and passes one end over (SCM_RIGHTS).

It passes it through another pair, which both inherit from their parent. The parent outlives them, so an end that is
passed while the writer restarts waits. There is no socket file that a cleaner of temporary folders could delete, or
that others on the machine could find.
"""

import socket
from contextlib import suppress


def connect(handing: socket.socket) -> socket.socket:
    """A connection to whoever accepts its other end. Raises OSError if too many are pending or descriptors run out."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(handing, [b"\0"], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours


def accept(taking: socket.socket) -> socket.socket | None:
    """Returns the next pending connection, or None if none is pending.

    Returns None also if no file descriptor is free. The connecting process then sees its connection close.
    """
    ends: list[int] = []
    with suppress(OSError):
        _, ends, _, _ = socket.recv_fds(taking, 1, 1)
    return socket.socket(fileno=ends[0]) if ends else None
