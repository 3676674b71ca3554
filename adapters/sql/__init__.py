"""The event log and its projections in SQL."""

from adapters.sql.adopt import Importer
from adapters.sql.build import Builder
from adapters.sql.claim import claim
from adapters.sql.dialects import dialect_of
from adapters.sql.engine import migrate, open_engine, revision
from adapters.sql.entries import Entry, Receipt, Rejection, Unavailable
from adapters.sql.group import GroupCommit
from adapters.sql.log import Log
from adapters.sql.past import Arrival, Erased, History, Past
from adapters.sql.project import Projector
from adapters.sql.projection import Source
from adapters.sql.reads import Reads
from adapters.sql.reads_deliveries import Delivered, Deliveries, Seen
from adapters.sql.reads_events import Recorded
from adapters.sql.reads_streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.seal import seal
from adapters.sql.stored import Reader, to_event
from adapters.sql.taken import OWN_SOURCE, Misfit, Outcome, Repeated, Taken
from adapters.sql.tree import Hole, Stored, Tree
from adapters.sql.verify import Verdict, recompute
from adapters.sql.whole import Extent, OpenedStream, Selection, Whole, WholeDelivery, WholeEvent
from adapters.sql.wrong import Wrong

__all__ = [
    "OWN_SOURCE",
    "Arrival",
    "Builder",
    "Delivered",
    "Deliveries",
    "Entry",
    "Erased",
    "Extent",
    "GroupCommit",
    "History",
    "Hole",
    "Importer",
    "Log",
    "Measured",
    "Misfit",
    "OpenedStream",
    "Outcome",
    "Past",
    "Projected",
    "Projector",
    "Reader",
    "Reads",
    "Receipt",
    "Recorded",
    "Rejection",
    "Repeated",
    "Seen",
    "Selection",
    "Source",
    "Stored",
    "Taken",
    "Tree",
    "Unavailable",
    "Verdict",
    "WantedMeasurements",
    "WantedStreams",
    "Whole",
    "WholeDelivery",
    "WholeEvent",
    "Wrong",
    "claim",
    "dialect_of",
    "migrate",
    "open_engine",
    "recompute",
    "revision",
    "seal",
    "to_event",
]
