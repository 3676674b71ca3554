"""Driver errors become ours here: which of them mean "not now", and which "never this row"."""

from sqlalchemy.exc import DBAPIError


def is_for_now(error: Exception) -> bool:
    """True where the database could not work at the moment (PEP 249: operational and the like), whatever the row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    names = {kind.__name__ for kind in type(cause).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "InternalError"})
