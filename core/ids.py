"""Our ids and keyed hashes: HMAC-SHA256 under the service's secret, so that the same log always gives the same ids.

A provider's id may be an e-mail address. The id derived from it may appear in paths and in the immutable table, because
it cannot be reversed or guessed without the secret.
"""

import re
from base64 import b32encode
from functools import lru_cache

from core.event import SECOND, Instant
from core.mac import mac

PREFIXES = {"session": "ses", "measurement": "mea", "action": "act", "device": "dev", "registration": "reg"}

BEGINNING = f"({'|'.join(PREFIXES.values())})_[a-z2-7]{{8,26}}"
"""An id of ours, or its beginning: fewer than 8 characters behind the prefix would begin too many."""

KEY_BYTES = (16, 21)
"""The lengths of a key: without and with a leading second."""


_NAME = re.compile(r"[a-z2-7]{26}")


def is_id(text: str, kind: str) -> bool:
    """Whether a text has the form of our ids of a kind."""
    prefix, _, name = text.partition("_")
    return prefix == PREFIXES[kind] and _NAME.fullmatch(name) is not None


class Ids:
    """Makes ids and keys for one service secret (any bytes, 32 expected)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.of = lru_cache(maxsize=65_536)(self._of)

    def _of(self, kind: str, source: str, *names: str) -> str:
        """`ses_…`, `mea_…`: a prefix and 26 characters, 130 bits of HMAC-SHA256 over kind, source and names."""
        digest = self._mac(b"id", kind.encode(), source.encode(), *(name.encode() for name in names))
        return f"{PREFIXES[kind]}_{b32encode(digest[:17]).decode()[:26].lower()}"

    def measurement(self, source: str, session: str, measurement_id: str | None, key: str) -> str:
        """Our id of a measurement. `key` (hex) of its first event identifies a measurement that never got an id."""
        names = (measurement_id,) if measurement_id is not None else ("", key)
        return self.of("measurement", source, session, *names)

    def key(self, source: str, identity: bytes, at: Instant | None = None) -> bytes:
        """The stored form of an idempotency key: the first half of an HMAC-SHA256 (RFC 2104, 5), 16 bytes.

        If the identity determines a time, the second of `at` (5 bytes) precedes them. Keys of one time are then
        adjacent in the index, and an append touches one index page instead of one for each event.
        """
        half = self._mac(b"key", source.encode(), identity)[:16]
        return half if at is None or at < 0 else (at // SECOND).to_bytes(5) + half

    def subkey(self, purpose: str) -> bytes:
        """A 32-byte key for one other purpose, independent of every id, key and other purpose."""
        return self._mac(b"subkey", purpose.encode())

    def fingerprint(self) -> str:
        """Identifies the secret without revealing it: 16 hex digits, stored so that another secret is refused."""
        return self._mac(b"fingerprint").hex()[:16]

    def _mac(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(4) + part for part in parts)
        return mac(self._secret, framed)
