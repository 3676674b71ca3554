"""What callers of the database have to catch."""


class Unavailable(Exception):
    """The database could not commit now; nothing was acknowledged, the sender may send again."""


class Unstorable(Unavailable):
    """The database works, and does not take this one item in any form: nothing of it is on record."""
