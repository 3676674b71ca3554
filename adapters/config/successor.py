"""The file of the log's next signing key: created beside the present one, and moved to its place once the log has it.

An interruption leaves both files. The next start uses the key that is in force in the log.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from adapters.config.secrets import check_signing_key, file_of, make, resolve
from adapters.config.settings import ConfigError, Secret, Settings

_KEY = "service.signing_key"


def waiting_key(settings: Settings) -> Secret | None:
    """The key that was created to follow the configured one and is not in its place yet; None if there is none."""
    path = file_of(settings.service.signing_key, settings.path)
    if path is None or not _beside(path).exists():
        return None
    return _read(f"file:{_beside(path).absolute()}", settings)


def next_key(settings: Settings, ref: str | None) -> Secret:
    """The key that `ref` names, or a new one beside the file of the configured key, with the same owner.

    Raises ConfigError if that key is not in a file, or the new file cannot be created.
    """
    if ref is not None:
        return _read(ref, settings)
    path = file_of(settings.service.signing_key, settings.path)
    if path is None:
        mend = "it is no file: put a new key where the service finds it, and name that one with --new"
        raise ConfigError(settings.path, _KEY, mend)
    fresh = _beside(path)
    make(fresh, secrets.token_hex(32), settings.path, _KEY)
    try:
        _give_to_owner_of(path, fresh)
        _write_through(path.parent)
    except OSError as error:
        mend = f"{fresh} cannot be given to the owner of {path} ({error.strerror}): do this as that owner"
        raise ConfigError(settings.path, _KEY, mend) from None
    return _read(f"file:{fresh.absolute()}", settings)


def put_in_place(settings: Settings, before: str) -> None:
    """Moves the next key to the place of the configured one, whose file is renamed to its id, `before`.

    Does nothing if another process was first. Raises OSError.
    """
    path = file_of(settings.service.signing_key, settings.path)
    if path is None:
        return
    with suppress(FileExistsError):
        os.link(path, path.with_name(f"{path.name}.{before}"))
    with suppress(FileNotFoundError):
        _beside(path).replace(path)
    _write_through(path.parent)


def with_key(settings: Settings, key: Secret) -> Settings:
    """The settings with another signing key under the configured reference."""
    named = msgspec.structs.replace(key, ref=settings.service.signing_key.ref)
    return msgspec.structs.replace(settings, service=msgspec.structs.replace(settings.service, signing_key=named))


def _read(ref: str, settings: Settings) -> Secret:
    return check_signing_key(resolve(ref, settings.path, _KEY, os.environ), settings.path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _give_to_owner_of(path: Path, fresh: Path) -> None:
    """Sets the owner of the present key, because root may rotate the key of a service that runs as another user."""
    held, made = path.stat(), fresh.stat()
    if (held.st_uid, held.st_gid) != (made.st_uid, made.st_gid):
        os.chown(fresh, held.st_uid, held.st_gid)


def _write_through(folder: Path) -> None:
    """Syncs a folder, so that created and renamed files survive a power cut."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
