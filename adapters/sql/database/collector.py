"""The collector of cycles while very many rows are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (50_000, 20, 100)
"""The collector's thresholds where very many objects are made and no cycles."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """A block that makes very many rows and no cycles: to look for cycles among them costs a tenth of a replay."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
