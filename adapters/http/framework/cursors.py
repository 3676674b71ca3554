"""Cursors of lists, encrypted so that a link contains no personal data in clear and cannot be forged.

AES-SIV (RFC 5297) needs no nonce: the same content gives the same cursor, so an unchanged list keeps its ETag. A cursor
holds the list's parameters and the key of the last item, and is bound to the list's path.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapters.http.framework.problems import BadRequest


class CursorContent(msgspec.Struct, array_like=True):
    """A list's parameters as the client sent them, and the key of the last item of the page."""

    parameters: dict[str, str]
    after: Any


_content = msgspec.msgpack.Decoder(CursorContent)


class Cursors:
    """Encrypts and decrypts cursors with a key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def seal(self, path: str, place: CursorContent) -> str:
        """Encrypts a cursor for this path. Returns text that is safe in a URL."""
        sealed = self._cipher.encrypt(msgspec.msgpack.encode(place), [path.encode()])
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, path: str, cursor: str) -> CursorContent:
        """Decrypts a cursor. Raises BadRequest unless it was made with this key, for this path."""
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            opened = _content.decode(self._cipher.decrypt(sealed, [path.encode()]))
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            raise BadRequest("cursor: not one that this list gave", parameter="cursor") from None
        if self.seal(path, opened) != cursor:  # base64 has several forms of some bytes
            raise BadRequest("cursor: not one that this list gave", parameter="cursor")
        return opened
