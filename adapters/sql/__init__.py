"""The event log and its projections in SQL."""

from adapters.sql.claim import claim
from adapters.sql.dialects import dialect_of
from adapters.sql.engine import migrate, open_engine, revision
from adapters.sql.entries import Entry, Receipt, Rejection, Unavailable
from adapters.sql.group import GroupCommit
from adapters.sql.log import Log
from adapters.sql.project import Projector
from adapters.sql.projection import Source
from adapters.sql.reads import Reads
from adapters.sql.reads_deliveries import Delivered, Deliveries, Seen
from adapters.sql.reads_events import Recorded
from adapters.sql.reads_streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.stored import Reader
from adapters.sql.tree import Hole, Stored, Tree
from adapters.sql.verify import Verdict, recompute
from adapters.sql.wrong import Wrong

__all__ = [
    "Delivered",
    "Deliveries",
    "Entry",
    "GroupCommit",
    "Hole",
    "Log",
    "Measured",
    "Projected",
    "Projector",
    "Reader",
    "Reads",
    "Receipt",
    "Recorded",
    "Rejection",
    "Seen",
    "Source",
    "Stored",
    "Tree",
    "Unavailable",
    "Verdict",
    "WantedMeasurements",
    "WantedStreams",
    "Wrong",
    "claim",
    "dialect_of",
    "migrate",
    "open_engine",
    "recompute",
    "revision",
]
