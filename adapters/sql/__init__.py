"""The event log and its projections in SQL."""

from adapters.sql.ability import probe
from adapters.sql.address import WrongAddress
from adapters.sql.adopt import Importer
from adapters.sql.batches import fitting
from adapters.sql.build import Builder, Progress, Refused, Told, Unfolded
from adapters.sql.collector import seldom_collecting
from adapters.sql.configured import TOKENS, Configured, note_configuration
from adapters.sql.current import Current
from adapters.sql.destroy import Found
from adapters.sql.dialects import dialect_of
from adapters.sql.difference import Change, Difference
from adapters.sql.engine import check_made, check_newest, migrate, noted_files, open_engine, opened_engine, revision
from adapters.sql.entries import Entry, Probe, Receipt, Rejection, Unavailable, Unstorable
from adapters.sql.erase import Eraser, Erasure
from adapters.sql.erased import Base
from adapters.sql.errors import cause_of
from adapters.sql.files import Noted
from adapters.sql.first_use import claim, claimed_sources, claims, is_begun
from adapters.sql.group import GroupCommit
from adapters.sql.helpers import spare_cores
from adapters.sql.imports import tell_imports
from adapters.sql.keeping import Keeper, keeper
from adapters.sql.limits import TooLong, time_limit
from adapters.sql.log import Log
from adapters.sql.own import OWN, Recorder, own_source
from adapters.sql.past import Arrival, Erased, History, Past
from adapters.sql.plans import Plan, Plans
from adapters.sql.project import Projector
from adapters.sql.projection import Code, Source
from adapters.sql.reads import Reads
from adapters.sql.reads_deliveries import Delivered, Deliveries, Seen
from adapters.sql.reads_events import Recorded
from adapters.sql.reads_evidence import Exhibit, Exhibits
from adapters.sql.reads_streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.replay import Part, Replay
from adapters.sql.reread import Reread, Rereader
from adapters.sql.retract import Retractor, Unretractable
from adapters.sql.seal import seal as sealed_by
from adapters.sql.session import Unfit
from adapters.sql.status import Status, VersionStatus
from adapters.sql.stored import Reader, to_event
from adapters.sql.taken import Left, Misfit, Outcome, Reach, Repeated, Taken
from adapters.sql.tree import Hole, Stored, Tree, View
from adapters.sql.verify import Verified, recompute
from adapters.sql.versions import Version
from adapters.sql.wal import carrying
from adapters.sql.whole import Extent, Selection, Whole, WholeDelivery, WholeEvent, WholeStream
from adapters.sql.wrong import Wrong

__all__ = [
    "OWN",
    "TOKENS",
    "Arrival",
    "Base",
    "Builder",
    "Change",
    "Code",
    "Configured",
    "Current",
    "Delivered",
    "Deliveries",
    "Difference",
    "Entry",
    "Erased",
    "Eraser",
    "Erasure",
    "Exhibit",
    "Exhibits",
    "Extent",
    "Found",
    "GroupCommit",
    "History",
    "Hole",
    "Importer",
    "Keeper",
    "Left",
    "Log",
    "Measured",
    "Misfit",
    "Noted",
    "Outcome",
    "Part",
    "Past",
    "Plan",
    "Plans",
    "Probe",
    "Progress",
    "Projected",
    "Projector",
    "Reach",
    "Reader",
    "Reads",
    "Receipt",
    "Recorded",
    "Recorder",
    "Refused",
    "Rejection",
    "Repeated",
    "Replay",
    "Reread",
    "Rereader",
    "Retractor",
    "Seen",
    "Selection",
    "Source",
    "Status",
    "Stored",
    "Taken",
    "Told",
    "TooLong",
    "Tree",
    "Unavailable",
    "Unfit",
    "Unfolded",
    "Unretractable",
    "Unstorable",
    "Verified",
    "Version",
    "VersionStatus",
    "View",
    "WantedMeasurements",
    "WantedStreams",
    "Whole",
    "WholeDelivery",
    "WholeEvent",
    "WholeStream",
    "Wrong",
    "WrongAddress",
    "carrying",
    "cause_of",
    "check_made",
    "check_newest",
    "claim",
    "claimed_sources",
    "claims",
    "dialect_of",
    "fitting",
    "is_begun",
    "keeper",
    "migrate",
    "note_configuration",
    "noted_files",
    "open_engine",
    "opened_engine",
    "own_source",
    "probe",
    "recompute",
    "revision",
    "sealed_by",
    "seldom_collecting",
    "spare_cores",
    "tell_imports",
    "time_limit",
    "to_event",
]
