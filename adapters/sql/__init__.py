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

__all__ = [
    "Delivered",
    "Deliveries",
    "Entry",
    "GroupCommit",
    "Log",
    "Measured",
    "Projected",
    "Projector",
    "Reads",
    "Receipt",
    "Recorded",
    "Rejection",
    "Seen",
    "Source",
    "Unavailable",
    "WantedMeasurements",
    "WantedStreams",
    "claim",
    "dialect_of",
    "migrate",
    "open_engine",
    "revision",
]
