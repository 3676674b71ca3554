"""Tunes Python's cyclic garbage collector for a process whose one busy thread must not pause."""

import gc

SHORT = (5_000, 1_000, 10)
"""The collector's thresholds where nobody may wait for long."""


def tune() -> None:
    """Sets the interpreter up, once all that stays is made.

    What stands now stays, and what comes is freed by its last reference: who looks for cycles finds next to nothing.
    Each look is short, and the long ones come after millions of objects: somebody waits for an answer meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SHORT)
