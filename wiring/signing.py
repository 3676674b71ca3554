"""The key of a log's checkpoints: which one is in force, and what a rotation that was interrupted left undone."""

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.audit import SigningKey
from adapters.config import Settings, put_in_place, waiting_key, with_key
from adapters.sql import LOG_KEY, claims
from core.proofs.note import Key


def signing_key(settings: Settings) -> SigningKey:
    """What the log's checkpoints are signed with."""
    return SigningKey(settings.service.seed, settings.service.origin or settings.service.log_name)


def with_key_in_force(engine: Engine, settings: Settings, *, complete: bool) -> Settings:
    """The settings with the log's own name, and with the key that waits to be put in its place where that is in force.

    `complete`: it is put there, too. Where neither is in force, the settings keep theirs, which nobody takes.
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
    """The key that waits stands where `before` stood; where that cannot be, it serves from where it is."""
    try:
        put_in_place(settings, before.id.hex())
    except OSError as error:
        mend = f"move the file with .new behind its name to {settings.service.signing_key.ref.removeprefix('file:')}"
        structlog.get_logger().warning("key_not_in_place", reason=error.strerror, mend=mend)
