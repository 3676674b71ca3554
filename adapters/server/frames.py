"""What goes over the socket between the processes that serve and the one that writes: a length, then MessagePack."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from adapters.sql import Entry, Probe, Receipt, Rejection

Item = Entry | Rejection | Probe
Outcome = Receipt | str
"""A receipt, or what went wrong: then nothing is known to be committed."""

Content = TypeVar("Content")

_LENGTH = 4
_encoder = msgspec.msgpack.Encoder()


def pack(content: Item | Outcome) -> bytes:
    """One frame."""
    body = _encoder.encode(content)
    return len(body).to_bytes(_LENGTH) + body


class Inbox(Generic[Content]):
    """Puts frames of one kind of content together from what a socket gives."""

    def __init__(self, content: type[Content]) -> None:
        self._decoder = msgspec.msgpack.Decoder(content)
        self._rest = b""

    def whole(self, data: bytes) -> list[Content]:
        """The contents of all frames that are whole by now."""
        decode = self._decoder.decode
        return [decode(frame) for frame in self._frames(self._rest + data)]

    def _frames(self, data: bytes) -> Iterator[memoryview]:
        view, start = memoryview(data), 0
        while start + _LENGTH <= len(data):
            end = start + _LENGTH + int.from_bytes(view[start : start + _LENGTH])
            if end > len(data):
                break
            yield view[start + _LENGTH : end]
            start = end
        self._rest = data[start:]
