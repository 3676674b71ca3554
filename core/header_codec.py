"""A dictionary codec for stored header lines: a common name or line becomes one byte.

The format is a version byte, then the lines. A line is a byte for its name, then the rest of the line and a line feed,
which no line contains. The rest of a MAC in hex is its 32 bytes. A byte from 0x80 on stands for a whole line. So a
packed byte never expands to more than the longest dictionary entry, whoever wrote it.

Packing is canonical: bytes that do not pack back to themselves are refused.
"""

import re
from binascii import hexlify, unhexlify
from collections.abc import Sequence

_END = b"\n"
_PLAIN, _MAC = b"\x00", b"\x01"
_FIRST_NAME, _FIRST_LINE = 2, 0x80
_SIGNED, _SCHEME, _MAC_SIZE = b"x-wms-content-mac", b"hmac-sha256=", 32
# the `?` keeps the match linear if the last line feed is missing; unpack refuses such bytes later
_PART = re.compile(rb"(?s)([\x80-\xff])|\x01(.{32})|(.)([^\n]*)\n?")

# fmt: off
_NAMES = [
    b"host", b"content-length", b"content-type", b"user-agent", b"accept", b"accept-encoding", b"connection",
    b"svix-id", b"svix-timestamp", b"svix-signature", b"webhook-id", b"webhook-timestamp", b"webhook-signature",
    b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"x-real-ip", b"forwarded",
    b"via", b"x-request-id", b"traceparent", b"tracestate", b"x-amzn-trace-id", b"cf-ray", b"cf-connecting-ip",
]
_LINES = [
    b"content-type:application/json", b"content-type:application/json; charset=utf-8",
    b"accept:*/*", b"accept:application/json", b"accept:application/json, text/plain, */*",
    b"accept-encoding:identity", b"accept-encoding:gzip", b"accept-encoding:gzip, deflate",
    b"accept-encoding:gzip, deflate, br", b"accept-encoding:gzip, compress, deflate, br",
    b"accept-encoding:gzip, br", b"connection:close", b"connection:keep-alive",
    b"x-forwarded-proto:https", b"x-forwarded-port:443",
]
# fmt: on


class Packer:
    """The dictionary of one version. It never changes: an addition takes a new version."""

    def __init__(self, version: bytes, names: Sequence[bytes], lines: Sequence[bytes]) -> None:
        self._version = version
        self._lines = {line: bytes([code]) for code, line in enumerate(lines, _FIRST_LINE)}
        self._names = {name: bytes([code]) for code, name in enumerate(names, _FIRST_NAME)}
        self._names[_SIGNED] = _MAC
        self._words = {code: name + b":" for name, code in self._names.items()}
        self._words |= {code: line for line, code in self._lines.items()}
        self._words[_MAC] += _SCHEME

    def pack(self, lines: bytes) -> bytes:
        """Packs the lines."""
        whole, packed = self._lines.get, self._packed
        return self._version + b"".join([whole(line) or packed(line) for line in lines.split(_END)])

    def _packed(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b":")
        code = self._names.get(name)
        if code is None or not colon:
            return _PLAIN + line + _END
        if code == _MAC:
            return _packed_mac(value) or _PLAIN + line + _END
        return code + value + _END

    def unpack(self, packed: bytes) -> bytes:
        """Unpacks the lines. Raises ValueError for bytes that `pack` cannot have returned."""
        word, parts = self._words.get, _PART.findall(packed, len(self._version))
        lines = _END.join([word(whole or code or _MAC, b"") + hexlify(mac) + rest for whole, mac, code, rest in parts])
        if self.pack(lines) != packed:
            raise ValueError(_NEVER_PACKED)
        return lines


def _packed_mac(value: bytes) -> bytes | None:
    """A MAC with its code; None if its digits would not unpack to the same text."""
    digits = value[len(_SCHEME) :]
    if len(digits) != _MAC_SIZE * 2 or not value.startswith(_SCHEME) or digits != digits.lower():
        return None
    try:
        return _MAC + unhexlify(digits)
    except ValueError:
        return None


_NEVER_PACKED = "it was never packed"
_NOW = Packer(b"\x01", _NAMES, _LINES)
_PACKINGS = {b"\x01": _NOW}

pack = _NOW.pack


def unpack(packed: bytes) -> bytes:
    """Unpacks field lines. Raises ValueError for bytes that were never packed."""
    packing = _PACKINGS.get(packed[:1])
    if packing is None:
        raise ValueError(_NEVER_PACKED)
    return packing.unpack(packed)


def as_stored(packed: bytes) -> bytes:
    """The field lines. Altered bytes come back behind 0xff, which no field line contains, so that no leaf hash matches
    them.
    """
    try:
        return unpack(packed)
    except ValueError:
        return b"\xff" + packed
