"""The protocol between serving processes and the writing one: frames of a length and MessagePack."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from adapters.sql import Entry, Probe, Receipt, Rejection


class Listen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """Subscribes the connection to commits: it gets an empty frame after each batch that has no items of its own.

    The writer does not reply to the request itself.
    """


class Trace(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """Precedes a traced delivery with its span's context (`Spans`). It has no outcome."""

    context: bytes


class Unstored(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """The database works but refuses this item in every form."""

    reason: str


Item = Entry | Rejection | Probe
Outcome = Receipt | Unstored | str
"""A receipt, or an error: then the outcome is unknown."""

Content = TypeVar("Content")

_LENGTH = 8
_ARRAY = b"\xdd"
_encode = msgspec.msgpack.Encoder().encode
unpack: Callable[[bytes], Item] = msgspec.msgpack.Decoder(Item).decode
"""Unpacks an item. Raises msgspec.DecodeError."""


def pack(content: Item | Listen | Trace | Outcome) -> bytes:
    """Encodes one content of a frame. Raises before it is joined with others."""
    return _encode(content)


def frame(packed: Sequence[bytes]) -> bytes:
    """Joins contents to a frame: a length and a MessagePack array."""
    array = b"".join((_ARRAY, len(packed).to_bytes(4), *packed))
    return len(array).to_bytes(_LENGTH) + array


class Inbox(Generic[Content]):
    """Assembles frames of one kind of content from a socket's data."""

    def __init__(self, content: type[Content]) -> None:
        self._decode = msgspec.msgpack.Decoder(list[content]).decode  # type: ignore[valid-type]  # known when it runs
        self._rest = bytearray()

    def whole(self, data: bytes | memoryview) -> list[Content]:
        """The contents of all frames that are complete now."""
        self._rest += data
        contents: list[Content] = []
        while (end := self._end()) <= len(self._rest):
            contents += self._decode(self._rest[_LENGTH:end])
            del self._rest[:end]
        return contents

    def _end(self) -> int:
        """The end of the first frame, or of its length field while that is incomplete."""
        return _LENGTH + int.from_bytes(self._rest[:_LENGTH]) if len(self._rest) >= _LENGTH else _LENGTH
