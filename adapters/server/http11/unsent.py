"""Bytes that a client has not acknowledged: they tell a slow client from one that is gone."""

import fcntl
import struct
import termios
from asyncio import Transport


def unsent(transport: Transport) -> int:
    """Bytes that are still to go, and those that have left and that the client has not acknowledged.

    The kernel's buffer takes megabytes ahead; what it holds is asked of it where it tells (Linux: SIOCOUTQ).
    """
    socket = transport.get_extra_info("socket")
    try:
        held = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    except (OSError, ValueError, AttributeError):
        held = 0
    return transport.get_write_buffer_size() + int(held)
