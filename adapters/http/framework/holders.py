"""Who holds a token: found by its secret, or by its name."""

from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest

from adapters.config import Token


class Holders:
    """Holds digests only: a comparison of tokens themselves would take longer the more of one is guessed.

    `some_limited`: there is a token that does not open all sources.
    """

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self.renew(tokens)

    def renew(self, tokens: Mapping[str, Token]) -> None:
        """From now on these hold one, and nobody else."""
        self._holders = [(sha256(token.secret.value.encode()).digest(), token) for token in tokens.values()]
        self.named = dict(tokens).get
        self.some_limited = any(token.only is not None for token in tokens.values())

    def __bool__(self) -> bool:
        return bool(self._holders)

    def holder(self, secret: str) -> Token | None:
        """The token of that secret; None where it is none of ours."""
        digest = sha256(secret.encode("utf-8", "replace")).digest()
        found = [token for held, token in self._holders if compare_digest(held, digest)]
        return found[0] if found else None
