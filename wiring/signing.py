"""Finds the signing key in force, and completes an interrupted rotation."""

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.audit import SigningKey
from adapters.config import Settings, put_in_place, waiting_key, with_key
from adapters.sql import LOG_KEY, claims
from core.proofs.note import Key


def signing_key(settings: Settings) -> SigningKey:
    """The configured signing key."""
    return SigningKey(settings.service.seed, settings.service.origin or settings.service.log_name)


def with_key_in_force(engine: Engine, settings: Settings, *, complete: bool) -> Settings:
    """The settings with the log's name, and with the next key if that is in force already.

    With `complete`, its file is moved to its place, too. If neither key is in force, the configured one is
    returned; the check of the database's facts refuses it.
    """
    held = claims(engine).get(LOG_KEY)
    if held is None:
        return settings
    service = msgspec.structs.replace(settings.service, log_name=Key.parse(held).name)
    settings = msgspec.structs.replace(settings, service=service)
    before = signing_key(settings).key
    waiting = None if str(before) == held else waiting_key(settings)
    if waiting is None or str(signing_key(with_key(settings, waiting)).key) != held:
        return settings
    if complete:
        take_its_place(settings, before)
    return with_key(settings, waiting)


def take_its_place(settings: Settings, before: Key) -> None:
    """Moves the next key to the place of `before`. If that fails, it is used from where it is."""
    try:
        put_in_place(settings, before.id.hex())
    except OSError as error:
        mend = f"move the file with .new behind its name to {settings.service.signing_key.ref.removeprefix('file:')}"
        structlog.get_logger().warning("key_not_in_place", reason=error.strerror, mend=mend)
