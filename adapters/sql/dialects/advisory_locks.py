"""The advisory locks of PostgreSQL, each taken until the transaction ends.

Their keys come from the log, so that two logs in two schemas of one database do not wait for each other.

The previous release used the same keys for all logs. Each of its keys is taken in shared mode here: its writers and
ours exclude each other, while ours do not block one another there. PostgreSQL queues requests, so its writers do not
starve.
"""

_LOG = "'events'::regclass::oid"
"""The log's table by the search path, resolved when the statement is planned. A change invalidates the plan."""

_SCHEMA = "(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = pg_catalog.current_schema())"
"""The schema of a log that does not exist yet."""


def _lock(number: int, log: str) -> str:
    return f"SELECT pg_advisory_xact_lock_shared({number}), pg_advisory_xact_lock({number}, {log}::int)"


MIGRATING = _lock(7238701, _SCHEMA)
"""Held while a schema is migrated."""

APPENDING = _lock(7238702, _LOG)
"""The append lock, under which positions are assigned."""

SEALING = _lock(7238703, _LOG)
"""Held while nodes and checkpoints are appended, or the signing key is rotated."""

RELAYING = (
    "SELECT pg_advisory_xact_lock_shared(7238704, hashtext(%(source)s)), "
    f"pg_advisory_xact_lock(hashtextextended(%(source)s, {_LOG}::bigint))"
)
"""The relay lock of a source, held while its deliveries are taken or settled."""
