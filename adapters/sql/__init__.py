"""The event log and its projections in SQL."""

from adapters.sql.claim import claim
from adapters.sql.dialects import dialect_of
from adapters.sql.engine import migrate, open_engine, revision
from adapters.sql.entries import Entry, Receipt, Rejection, Unavailable
from adapters.sql.group import GroupCommit, Slot
from adapters.sql.log import Log
from adapters.sql.project import Projector, Source

__all__ = [
    "Entry",
    "GroupCommit",
    "Log",
    "Projector",
    "Receipt",
    "Rejection",
    "Slot",
    "Source",
    "Unavailable",
    "claim",
    "dialect_of",
    "migrate",
    "open_engine",
    "revision",
]
