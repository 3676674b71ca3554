"""Tunes Python's cyclic garbage collector for a process whose one busy thread must not pause."""

import gc

SHORT = (5_000, 1_000, 10)
"""The collector's thresholds for short pauses."""


def tune() -> None:
    """Call this once all permanent objects exist.

    They are excluded from collection. Later objects are freed by their last reference, so there are hardly any cycles.
    Each collection is short, and long ones come only after millions of objects, because somebody waits meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SHORT)
