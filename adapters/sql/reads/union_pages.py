"""Pages of several lists made one: each is read by its own index, and no more of it than the page can hold."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, desc, select, union_all


def merged(arms: Iterable[Select[Any]], *order: str) -> Select[Any]:
    """Selects from limited selects of the same columns, by the columns `order`; `-` in front: descending."""
    rows = union_all(*(select(arm.subquery()) for arm in arms)).subquery()
    return select(rows).order_by(*(desc(rows.c[name[1:]]) if name[0] == "-" else rows.c[name] for name in order))
