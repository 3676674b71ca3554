"""Secrets by reference, never in the configuration itself. Surrounding white space and a BOM are stripped."""

import os
import pwd
import re
import secrets
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from adapters.config.settings import ConfigError, Forward, Secret, Settings

_POSTGRESQL = ("postgresql:", "postgresql+psycopg:")
SHORTEST_SERVICE_SECRET = 32
"""The fewest characters. A secret that we create has 64 hex digits."""


def resolve(ref: object, where: Path, key: str, env: Mapping[str, str]) -> Secret:
    """The secret that `ref` names. Paths are relative to the configuration's folder. Raises ConfigError for `key`."""
    scheme, _, name = ref.partition(":") if isinstance(ref, str) else ("", "", "")
    if scheme == "env" and name:
        return Secret(f"env:{name}", _from_environment(name, where, key, env))
    if scheme == "file" and name:
        return Secret(f"file:{name}", _from_file(_path(name, where), where, key))
    raise ConfigError(where, key, 'write "env:NAME" or "file:PATH": secrets do not stand in this file')


def service_secret(ref: object, default: Path, where: Path, env: Mapping[str, str]) -> Secret:
    """The service's secret, in the file `default` without a `ref`. If the file is missing, `absent` is set."""
    key = "service.secret"
    secret = _found(ref, default, where, env, key)
    if secret.absent is None and len(secret.value) < SHORTEST_SERVICE_SECRET:
        raise ConfigError(where, key, f"{secret.ref} is too short: take 64 random hex digits")
    return secret


def replica_url(given: object, url: str, where: Path, env: Mapping[str, str]) -> Secret | None:
    """The URL of a replica of the database `url`, given directly or by reference, since it may contain a password."""
    key = "service.read_database_url"
    if given is None:
        return None
    by_reference = isinstance(given, str) and given.startswith(("env:", "file:"))
    found = resolve(given, where, key, env) if by_reference else Secret(key, given if isinstance(given, str) else "")
    if not found.value.startswith(_POSTGRESQL):
        raise ConfigError(where, key, 'write "postgresql://USER@HOST/NAME", "env:NAME" or "file:PATH"')
    if not url.startswith(_POSTGRESQL):
        raise ConfigError(where, key, "SQLite has no replica: remove it, or keep the log in PostgreSQL")
    return found


def beside(secret: Secret, folder: Path, where: Path) -> Path:
    """The default file of the signing key, in the folder of the service's secret."""
    file = file_of(secret, where)
    return (folder if file is None else file.parent) / "signing-key"


def signing_key(ref: object, default: Path, where: Path, env: Mapping[str, str]) -> Secret:
    """The key of the checkpoints, in the file `default` without a `ref`. If the file is missing, `absent` is set."""
    secret = _found(ref, default, where, env, "service.signing_key")
    return secret if secret.absent is not None else check_signing_key(secret, where)


def check_signing_key(secret: Secret, where: Path) -> Secret:
    """Returns the secret; raises ConfigError if it is not a key."""
    if re.fullmatch("[0-9a-f]{64}", secret.value) is None:
        mend = f"{secret.ref} is no Ed25519 key: it holds 64 hex digits, 0-9 and a-f"
        raise ConfigError(where, "service.signing_key", mend)
    return secret


def file_of(secret: Secret, where: Path) -> Path | None:
    """The file of a secret; None if it is not in a file."""
    named = secret.ref.removeprefix("file:")
    return None if named == secret.ref else _path(named, where)


def path_secret(
    where: Path, key: str, ref: object, forward: Forward | None, env: Mapping[str, str] | None
) -> Secret | None:
    """The path secret of a sender that does not sign; None if there is none, or without an environment."""
    if ref is None:
        return None
    if forward is not None:
        raise ConfigError(where, key, 'it goes with mode = "record" alone: a handler has a URL of its own to keep')
    if env is None:
        return None
    secret = resolve(ref, where, key, env)
    if re.fullmatch("[A-Za-z0-9_-]{16,200}", secret.value) is None:
        raise ConfigError(where, key, f"{secret.ref} cannot stand in a path: take 32 random hex digits or more")
    return secret


def _found(ref: object, default: Path, where: Path, env: Mapping[str, str], key: str) -> Secret:
    if ref is None:
        ref = f"file:{default.absolute()}"
    if isinstance(ref, str) and ref.startswith("file:") and len(ref) > len("file:"):
        path = _path(ref.removeprefix("file:"), where)
        if _is_absent(path):
            return Secret(ref, "", absent=path)
    return resolve(ref, where, key, env)


def _is_absent(path: Path) -> bool:
    """Whether the file is missing. One that cannot be examined is not: reading it reports the reason."""
    try:
        return not path.exists()
    except OSError:
        return False


def make_secrets(settings: Settings, known: Collection[str]) -> Settings:
    """The settings with the service's secrets; missing ones are created with 32 random bytes.

    `known` are those ("secret", "signing_key") that the database already depends on. Raises ConfigError if one of these
    is missing.
    """
    found = {name: getattr(settings.service, name) for name in ("secret", "signing_key")}
    made = {name: _made(secret, settings.path, name, known) for name, secret in found.items()}
    return msgspec.structs.replace(settings, service=msgspec.structs.replace(settings.service, **made))


def _made(secret: Secret, where: Path, name: str, known: Collection[str]) -> Secret:
    """The secret, created if absent. If another process that starts now creates it first, that one is read."""
    if secret.absent is None:
        return secret
    key = f"service.{name}"
    if name in known and _is_absent(secret.absent):
        raise secret.missing(key)
    make(secret.absent, secrets.token_hex(32), where, key)
    return msgspec.structs.replace(secret, value=_from_file(secret.absent, where, key), absent=None)


def make(path: Path, value: str, where: Path, key: str) -> bool:
    """Creates a secret's file, readable by its owner only, unless it exists. Returns whether it was created now.

    It is linked into place complete, so that processes that start together all read the same one.
    """
    try:
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        return _linked(path, value)
    except OSError as error:
        mend = f'name a path that {_user(os.geteuid())} may write, such as "file:/var/lib/hookfold/{path.name}"'
        raise ConfigError(where, key, f"{path} cannot be made ({error.strerror}): {mend}") from None


def _linked(path: Path, value: str) -> bool:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as fresh:
        fresh.write(value + "\n")
        fresh.flush()
        os.fsync(fresh.fileno())
        try:
            os.link(fresh.name, path)
        except FileExistsError:
            return False
    return True


def _path(name: str, where: Path) -> Path:
    return where.parent / name


def _from_environment(name: str, where: Path, key: str, env: Mapping[str, str]) -> str:
    value = env.get(name, "").strip()
    if not value:
        mend = "set it to the secret; on the host of the systemd unit, type the command as /usr/local/bin/hookfold"
        raise ConfigError(where, key, f"the environment has no {name}: {mend} (deploy/hookfold.sh)")
    return value


def _from_file(path: Path, where: Path, key: str) -> str:
    try:
        value = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        mend = _readable(path) if isinstance(error, PermissionError) else "put the secret there"
        raise ConfigError(where, key, f"{path} cannot be read ({why}): {mend}") from None
    if not value:
        raise ConfigError(where, key, f"{path} is empty: put the secret there")
    return value


def _readable(path: Path) -> str:
    """What to do about an unreadable file, whose owner may be hidden by its folder."""
    reader = _user(os.geteuid())
    try:
        return f"it belongs to {_user(path.stat().st_uid)}, and {reader} has to read it: change its owner or mode"
    except OSError:
        return f"{reader} may not look into its folder: change the folder's owner or mode"


def _user(number: int) -> str:
    try:
        return f"user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user {number}"
