"""Finds tokens by their secrets or names."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from adapters.config import Token


class Holders:
    """Compares digests, because the time of comparing secrets would reveal how much of one was guessed.

    `some_limited`: some token is limited to some sources.
    """

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self.renew(tokens)

    def renew(self, tokens: Mapping[str, Token]) -> None:
        """Replaces the valid tokens."""
        self._holders = [(sha256(token.secret.value.encode()).digest(), token) for token in tokens.values()]
        self.named = dict(tokens).get
        self.some_limited = any(token.only is not None for token in tokens.values())

    def __bool__(self) -> bool:
        return bool(self._holders)

    def holder(self, secret: str) -> Token | None:
        """The token with that secret; None if there is none."""
        digest = sha256(secret.encode("utf-8", "replace")).digest()
        found = [token for held, token in self._holders if compare_digest(held, digest)]
        return found[0] if found else None
