"""Bytes that a client has not acknowledged: they tell a slow client from one that is gone."""

import fcntl
import struct
import termios
from asyncio import Transport


def unsent(transport: Transport) -> int:
    """The bytes that are not sent yet, and those sent that the client has not acknowledged.

    The kernel buffers megabytes. On Linux it reports them (SIOCOUTQ).
    """
    socket = transport.get_extra_info("socket")
    try:
        held = struct.unpack("i", fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    except (OSError, ValueError, AttributeError):
        held = 0
    return transport.get_write_buffer_size() + int(held)
