"""The log's head and the joins of an event with rows of other tables: what several packages select by."""

from typing import Any

from sqlalchemy import and_, func, select

from adapters.sql.database.tables import events, payloads, retractions, streams

HEAD = select(func.coalesce(func.max(events.c.position), 0))
"""The log's last position; 0 if it is empty."""

HEAD_SQL = "SELECT coalesce(max(position), 0) FROM events"
"""The same as text, for a cursor of the driver."""

PAYLOAD = and_(payloads.c.source == events.c.source, payloads.c.position == events.c.position)
STREAM = and_(streams.c.source == events.c.source, streams.c.stream == events.c.stream)
RETRACTION = and_(retractions.c.source == events.c.source, retractions.c.position == events.c.position)

WITH_PAYLOAD = "JOIN payloads p ON p.source = e.source AND p.position = e.position"
"""Follows `events e` in a statement."""


def head_of(cursor: Any) -> int:
    """The log's last position, read with a cursor of the driver."""
    cursor.execute(HEAD_SQL)
    return int(cursor.fetchone()[0])
