"""The certificate of an erasure: a signed note that says what was destroyed, and what covers the telling."""

from datetime import UTC, datetime

import msgspec

from adapters.audit import Notary
from adapters.sql import Erasure
from core.event import Instant

HEAD = "hookfold erasure certificate v1"
"""Its first line: no checkpoint begins so, and no certificate has a checkpoint's second line."""


def certificate(notary: Notary, erasure: Erasure, at: Instant, reason: str, by: str | None) -> str:
    """A note signed with the log's key. `positions` in it are those of the events that tell of the erasure.

    The checkpoint in it covers them. Raises what `Notary.checkpoint` raises.
    """
    checkpoint = notary.checkpoint()
    document = msgspec.to_builtins(erasure) | {
        "log": notary.key.name,
        "at": datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds"),
        "who": by or "local",
        "reason": reason,
        "checkpoint": checkpoint,
    }
    return notary.attest(f"{HEAD}\n{msgspec.json.encode(document).decode()}\n")
