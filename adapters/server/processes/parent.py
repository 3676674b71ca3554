"""A child process's side of its parent: the input it starts with, and the socket for heartbeats and new input."""

import pickle
from collections.abc import Callable
from socket import socket
from typing import Any, NamedTuple

_LENGTH = 8
_READ = 65_536


class Parent(NamedTuple):
    """`hand` is the process's input. `line` carries heartbeats to the parent, and new input from it.

    `line` reaches its end of file when the parent wants the process to stop, or when the parent dies.
    """

    hand: Any
    line: socket


class InputReader:
    """Reads new inputs from the parent's socket. Calls `renew` with each, and `ended` when the socket closes."""

    def __init__(self, line: socket, renew: Callable[[Any], None], ended: Callable[[], None]) -> None:
        self._line = line
        self._renew = renew
        self._ended = ended
        self._some = bytearray()

    def read(self) -> None:
        """Reads once. Call it when there is something to read."""
        piece = self._received()
        if not piece:
            self._ended()
        self._some += piece
        while (whole := self._whole()) is not None:
            self._renew(whole)

    def _received(self) -> bytes:
        try:
            return self._line.recv(_READ)
        except ConnectionResetError:  # it died before it had read our last sign of life: an event loop says so once
            return b""

    def _whole(self) -> Any | None:
        size = _LENGTH + int.from_bytes(self._some[:_LENGTH])
        if len(self._some) < max(size, _LENGTH + 1):
            return None
        pickled = bytes(self._some[_LENGTH:size])
        del self._some[:size]
        return pickle.loads(pickled)  # noqa: S301 - from a process that runs the same code for us


def framed(hand: Any) -> bytes:
    """Frames an input for the socket."""
    pickled = pickle.dumps(hand)
    return len(pickled).to_bytes(_LENGTH) + pickled
