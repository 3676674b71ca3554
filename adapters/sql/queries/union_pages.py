"""One page from several lists (UNION ALL of limited selects), each read through its own index."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, desc, select, union_all

MOST_ARMS = 100
"""The most selects of one UNION. SQLite allows 500 (SQLITE_MAX_COMPOUND_SELECT); a service may have more sources."""


def union_of_pages(arms: Sequence[Select[Any]], *order: str, limit: int) -> Select[Any]:
    """Merges limited selects of the same columns, ordered by the columns `order`; a leading `-` means descending."""
    while len(arms) > MOST_ARMS:
        groups = (arms[start : start + MOST_ARMS] for start in range(0, len(arms), MOST_ARMS))
        arms = [union_of_pages(group, *order, limit=limit) for group in groups]
    rows = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    by = (desc(rows.c[name[1:]]) if name[0] == "-" else rows.c[name] for name in order)
    return select(rows).order_by(*by).limit(limit)
