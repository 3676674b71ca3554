"""The limits of a batch. PostgreSQL receives a batch as one message, whose limit is 1 GiB."""

from collections.abc import Iterable

from adapters.sql.log.entries import Probe
from adapters.sql.log.writer import AppendItem

MOST_ITEMS, MOST_BYTES = 256, 16 * 2**20
"""Bytes count bodies only, since headers are bounded and small. A larger item is a batch of its own."""


def batch_length(items: Iterable[AppendItem], most: int = MOST_ITEMS) -> int:
    """How many of the first items fit in one transaction: at least one, if there are any."""
    count = size = 0
    for item in items:
        size += 0 if isinstance(item, Probe) else len(item.body)
        if count == most or (count and size > MOST_BYTES):
            break
        count += 1
    return count
