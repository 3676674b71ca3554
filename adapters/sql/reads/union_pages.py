"""One page from several lists (UNION ALL of limited selects), each read through its own index."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, desc, select, union_all


def union_of_pages(arms: Iterable[Select[Any]], *order: str) -> Select[Any]:
    """Selects from limited selects of the same columns, by the columns `order`; `-` in front: descending."""
    rows = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    return select(rows).order_by(*(desc(rows.c[name[1:]]) if name[0] == "-" else rows.c[name] for name in order))
