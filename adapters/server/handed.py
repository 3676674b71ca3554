"""What the main process hands to those that it starts, through their standard input: first of all, and anew later."""

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

_LENGTH = 8
_READ = 65_536


def framed(hand: Any) -> bytes:
    """As it travels."""
    pickled = pickle.dumps(hand)
    return len(pickled).to_bytes(_LENGTH) + pickled


def handed() -> Any:
    """What the parent handed over to the code that it runs here, before anything else is asked of standard input."""
    size = int.from_bytes(_read_exactly(_LENGTH))
    return _unpickled(_read_exactly(size))


class HandedAnew:
    """Reads what is handed over later: `renew` is given each, and `ended` called once the parent is gone."""

    def __init__(self, renew: Callable[[Any], None], ended: Callable[[], None]) -> None:
        self._renew = renew
        self._ended = ended
        self._some = bytearray()

    def read(self) -> None:
        """Once, when there is something to read."""
        piece = os.read(sys.stdin.fileno(), _READ)
        if not piece:
            self._ended()
        self._some += piece
        while (whole := self._whole()) is not None:
            self._renew(whole)

    def _whole(self) -> Any | None:
        size = _LENGTH + int.from_bytes(self._some[:_LENGTH])
        if len(self._some) < max(size, _LENGTH + 1):
            return None
        pickled = bytes(self._some[_LENGTH:size])
        del self._some[:size]
        return _unpickled(pickled)


def _unpickled(pickled: bytes) -> Any:
    return pickle.loads(pickled)  # noqa: S301 - from our own parent, who runs the code here, too


def _read_exactly(size: int) -> bytes:
    """Unbuffered: what follows is watched for its end."""
    some = bytearray()
    while len(some) < size:
        piece = os.read(sys.stdin.fileno(), size - len(some))
        if not piece:
            raise EOFError("the parent is gone")
        some += piece
    return bytes(some)
