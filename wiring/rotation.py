"""Rotates the log's signing key: the old key vouches for the new one."""

from contextlib import suppress

from adapters.audit import Empty, SigningKey, vouch
from adapters.cli import Rotated
from adapters.config import ConfigError, Settings, next_key
from adapters.sql import rotate_key
from wiring.appending import appending
from wiring.signing import take_its_place


def rotate(settings: Settings, ref: str | None) -> Rotated:
    """Makes the key that `ref` names, or a new one, sign the log.

    The old key signs a last checkpoint, and so vouches for everything before. Then one commit puts the new key in
    force, and only then its file replaces the old one. So whatever is interrupted, one key is in force and its file
    exists. Raises ConfigError, NotInForce, and the signer's errors; nothing is changed then.
    """
    with appending(settings) as (components, log):
        made, old, signer = next_key(components.settings, ref), components.signing.key, components.signer()
        new = SigningKey(bytes.fromhex(made.value), old.key.name)
        if any(held.key == new.key for held in signer.chain().keys):
            mend = f"{made.ref} holds a key that this log has, or had: make a new one"
            raise ConfigError(settings.path, "service.signing_key", mend)
        with suppress(Empty):
            signer.checkpoint()
        names = str(old.key), str(new.key), vouch(old, new)
        position = rotate_key(components.engine, log, components.recorder(log), *names)
        if ref is None:
            take_its_place(components.settings, old.key)
        signer.sign_with(new)
        return Rotated(position, old.key, new.key, signer.checkpoint())
