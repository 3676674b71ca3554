"""What goes over the socket between the processes that serve and the one that writes: a length, then MessagePack."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from adapters.sql import Entry, Probe, Receipt, Rejection


class Listen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """Asks to be told, by an empty frame, when something of others was committed; it has no outcome."""


class Trace(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """In front of a delivery that is traced: where its span stands (`Spans`); it has no outcome."""

    context: bytes


class Unstored(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """The database works, and takes this item in no form."""

    reason: str


Item = Entry | Rejection | Probe
Outcome = Receipt | Unstored | str
"""A receipt, or what went wrong: then nothing is known to be committed."""

Content = TypeVar("Content")

_LENGTH = 8
_ARRAY = b"\xdd"
_encode = msgspec.msgpack.Encoder().encode
unpack: Callable[[bytes], Item] = msgspec.msgpack.Decoder(Item).decode
"""One item that was packed. Raises msgspec.DecodeError."""


def pack(content: Item | Listen | Trace | Outcome) -> bytes:
    """One content of a frame. Raises where it cannot be encoded, before it is among others."""
    return _encode(content)


def frame(packed: Sequence[bytes]) -> bytes:
    """All of them as one frame: a MessagePack array behind its length."""
    array = b"".join((_ARRAY, len(packed).to_bytes(4), *packed))
    return len(array).to_bytes(_LENGTH) + array


class Inbox(Generic[Content]):
    """Puts frames of one kind of content together from what a socket gives."""

    def __init__(self, content: type[Content]) -> None:
        self._decode = msgspec.msgpack.Decoder(list[content]).decode  # type: ignore[valid-type]  # known when it runs
        self._rest = bytearray()

    def whole(self, data: bytes | memoryview) -> list[Content]:
        """The contents of all frames that are whole by now."""
        self._rest += data
        contents: list[Content] = []
        while (end := self._end()) <= len(self._rest):
            contents += self._decode(self._rest[_LENGTH:end])
            del self._rest[:end]
        return contents

    def _end(self) -> int:
        """Of the first frame; of its length, while that is not there."""
        return _LENGTH + int.from_bytes(self._rest[:_LENGTH]) if len(self._rest) >= _LENGTH else _LENGTH
