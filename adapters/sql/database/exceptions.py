"""The exceptions that callers of the database handle."""


class Unavailable(Exception):
    """The database could not commit now. Nothing was acknowledged; the sender may retry."""


class Unstorable(Unavailable):
    """The database works but refuses this item in every form. Nothing of it is recorded."""
