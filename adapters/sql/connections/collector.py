"""Python's garbage collector during bulk work."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 100)
"""The collector's thresholds while many objects are created without cycles."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Lets the collector run rarely within the block: looking for cycles costs a tenth of a replay."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
