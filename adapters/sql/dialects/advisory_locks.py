"""The advisory locks of PostgreSQL, each taken until the transaction ends.

Their keys come from the log, so that two logs in two schemas of one database do not wait for each other.

The previous release used the same keys for all logs. Each of its keys is taken in shared mode here: its writers and
ours exclude each other, while ours do not block one another there. PostgreSQL queues requests, so its writers do not
starve.
"""

_LOG = "'events'::regclass::oid"
"""What the search path leads to when the statement is planned; the plan is dropped when that changes."""

_SCHEMA = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = pg_catalog.current_schema())"
"""Of a log that is yet to be made."""


def _lock(number: int, log: str) -> str:
    return f"SELECT pg_advisory_xact_lock_shared({number}), pg_advisory_xact_lock({number}, {log}::int)"


MIGRATING = _lock(7238701, _SCHEMA)
"""Held by who brings a schema to another revision."""

APPENDING = _lock(7238702, _LOG)
"""The turn of the only writer: positions are given out under it."""

SEALING = _lock(7238703, _LOG)
"""Held by who appends nodes and checkpoints, or rotates the key that signs them."""

RELAYING = (
    "SELECT pg_advisory_xact_lock_shared(7238704, hashtext(%(source)s)), "
    f"pg_advisory_xact_lock(hashtextextended(%(source)s, {_LOG}::bigint))"
)
"""Held by who takes or settles deliveries of a source."""
