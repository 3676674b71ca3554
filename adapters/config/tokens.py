"""Bearer tokens of the query API: by whom it may be asked, and for what."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from adapters.config import values
from adapters.config.secrets import resolve
from adapters.config.settings import ConfigError, Scope, Secret, Token

RESERVED_NAME = "local"
"""How the log tells that nobody is known."""

SHORTEST = 16
"""Characters of a token."""

_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What a client can send (RFC 6750, 2.1)."""


def tokens(where: Path, given: values.Table, env: Mapping[str, str], sources: Collection[str]) -> dict[str, Token]:
    """The tokens by name. Raises ConfigError, also where two are the same: who of them acted could not be told.

    `sources`: those that there are.
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
    """In one order, however they are listed: what is only written otherwise is no change."""
    if not isinstance(given, list) or not given or any(one not in [*Scope] for one in given):
        raise ConfigError(where, key, f"list what it may do, some of {', '.join(Scope)}")
    return tuple(scope for scope in Scope if scope in given)


def _sources(where: Path, key: str, table: values.Table, known: Collection[str]) -> tuple[str, ...]:
    """None where it is not limited. A name that is none of a source would let its holder see less than was meant."""
    if "sources" not in table:
        return ()
    given = table["sources"]
    if not isinstance(given, list) or not given or any(one not in [*known] for one in given):
        found = f"some of {', '.join(sorted(known))}" if known else "once there are some"
        raise ConfigError(where, key, f"list the only sources that it is to see, {found}; without it, all")
    return tuple(sorted(set(given)))
