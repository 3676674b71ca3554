"""The file of the log's next signing key: made beside the one in force, and put in its place once the log has it.

What is interrupted leaves both files: whoever starts next takes the key that the log has in force.
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
    """The key that was made to follow the configured one and is not in its place yet; None where there is none."""
    path = file_of(settings.service.signing_key, settings.path)
    if path is None or not _beside(path).exists():
        return None
    return _read(f"file:{_beside(path).absolute()}", settings)


def next_key(settings: Settings, ref: str | None) -> Secret:
    """The key that `ref` names, or a new one beside the file of the configured key, for the same owner.

    Raises ConfigError where that is no file, or no file can be made there.
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
    """Puts the key that waits in the place of the configured one, whose file is kept under its id, `before`.

    Somebody else may be first: then there is nothing to do. Raises OSError.
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
    """The settings with another signing key under the configured name."""
    named = msgspec.structs.replace(key, ref=settings.service.signing_key.ref)
    return msgspec.structs.replace(settings, service=msgspec.structs.replace(settings.service, signing_key=named))


def _read(ref: str, settings: Settings) -> Secret:
    return check_signing_key(resolve(ref, settings.path, _KEY, os.environ), settings.path)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _give_to_owner_of(path: Path, fresh: Path) -> None:
    """Who rotates the key may be root, and the service somebody else."""
    held, made = path.stat(), fresh.stat()
    if (held.st_uid, held.st_gid) != (made.st_uid, made.st_gid):
        os.chown(fresh, held.st_uid, held.st_gid)


def _write_through(folder: Path) -> None:
    """A file that was made or renamed is there behind a power cut, too."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
