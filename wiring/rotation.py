"""Has another key sign the log, vouched for by the one that signed it until now."""

from contextlib import suppress

from adapters.audit import Empty, SigningKey, vouch
from adapters.cli import Rotated
from adapters.config import ConfigError, Settings, next_key
from adapters.sql import rotate_key
from wiring.appending import appending
from wiring.signing import take_its_place


def rotate(settings: Settings, ref: str | None) -> Rotated:
    """Has the key that `ref` names, or else a new one, sign the log from now on.

    The old one signs the log once more, and so vouches for all that was there. Then one commit puts the new one in
    force, and only then its file takes the place of the other one: whatever is interrupted, one of them is in force,
    and there. Raises ConfigError, NotInForce, and what a signer raises; nothing is changed then.
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
