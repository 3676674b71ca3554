"""One page from several lists (UNION ALL of limited selects), each read through its own index."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, desc, select, union_all

MOST_ARMS = 100
"""Of one UNION: SQLite takes 500 (SQLITE_MAX_COMPOUND_SELECT), and a service may have more sources than that."""


def union_of_pages(arms: Sequence[Select[Any]], *order: str, limit: int) -> Select[Any]:
    """Selects from limited selects of the same columns, by the columns `order`; `-` in front: descending."""
    while len(arms) > MOST_ARMS:
        groups = (arms[start : start + MOST_ARMS] for start in range(0, len(arms), MOST_ARMS))
        arms = [union_of_pages(group, *order, limit=limit) for group in groups]
    rows = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    by = (desc(rows.c[name[1:]]) if name[0] == "-" else rows.c[name] for name in order)
    return select(rows).order_by(*by).limit(limit)
