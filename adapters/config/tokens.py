"""The bearer tokens of the query API."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from adapters.config import values
from adapters.config.secrets import resolve
from adapters.config.settings import ConfigError, Scope, Secret, Token

RESERVED_NAME = "local"
"""The actor in the log if none is known; not allowed as a token's name."""

SHORTEST = 16
"""The fewest characters of a token."""

_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""The characters that a client can send (RFC 6750, 2.1)."""


def tokens(where: Path, given: values.Table, env: Mapping[str, str], sources: Collection[str]) -> dict[str, Token]:
    """The tokens by name. Raises ConfigError, also if two are equal, because their holders could not be told apart.

    `sources` are the configured ones.
    """
    found: dict[str, Token] = {}
    holders: dict[str, str] = {}
    for name, table in given.items():
        token = found[name] = _token(where, name, table, env, sources)
        if (holder := holders.setdefault(token.secret.value, name)) != name:
            mend = f"{token.secret.ref} holds the secret of tokens.{holder}: give each token its own"
            raise ConfigError(where, f"tokens.{name}.secret", mend)
    return found


def _token(where: Path, name: str, given: object, env: Mapping[str, str], sources: Collection[str]) -> Token:
    key = f"tokens.{name}"
    values.name(where, key, name, RESERVED_NAME)
    table = values.table(where, key, given)
    values.only(where, f"{key}.", table, ("secret", "scopes", "sources"))
    secret = _secret(where, f"{key}.secret", table.get("secret"), env)
    scopes = _scopes(where, f"{key}.scopes", table.get("scopes"))
    return Token(name, secret, scopes, _sources(where, f"{key}.sources", table, sources))


def _secret(where: Path, key: str, ref: object, env: Mapping[str, str]) -> Secret:
    secret = resolve(ref, where, key, env)
    if len(secret.value) < SHORTEST:
        raise ConfigError(where, key, f"{secret.ref} is shorter than {SHORTEST} characters: take 64 random hex digits")
    if _B64TOKEN.fullmatch(secret.value) is None:
        mend = "cannot be sent as a bearer token: take letters, digits and - . _ ~ + / only, and = at its end alone"
        raise ConfigError(where, key, f"{secret.ref} {mend}")
    return secret


def _scopes(where: Path, key: str, given: object) -> tuple[Scope, ...]:
    """The scopes in a fixed order, so that writing them in another order is not a change."""
    if not isinstance(given, list) or not given or any(one not in [*Scope] for one in given):
        raise ConfigError(where, key, f"list what it may do, some of {', '.join(Scope)}")
    return tuple(scope for scope in Scope if scope in given)


def _sources(where: Path, key: str, table: values.Table, known: Collection[str]) -> tuple[str, ...]:
    """The sources of a limited token. An unknown name is refused, since the holder would see less than was meant."""
    if "sources" not in table:
        return ()
    given = table["sources"]
    if not isinstance(given, list) or not given or any(one not in [*known] for one in given):
        found = f"some of {', '.join(sorted(known))}" if known else "once there are some"
        raise ConfigError(where, key, f"list the only sources that it is to see, {found}; without it, all")
    return tuple(sorted(set(given)))
