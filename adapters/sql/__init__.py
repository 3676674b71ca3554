"""The event log and its projections in SQL."""

from adapters.sql.audit.recorded_erasures import RecordedErasure, recorded_erasures
from adapters.sql.audit.rotate import NotInForce, rotate_key
from adapters.sql.audit.rotations import LOG_KEY, Rotation, recorded_rotations
from adapters.sql.audit.tree import MissingEvent, StoredCheckpoint, Tree, TreeView
from adapters.sql.audit.verify import Verified, recompute
from adapters.sql.connections.address import WrongAddress, database_name
from adapters.sql.connections.backup import back_up, faults
from adapters.sql.connections.collector import seldom_collecting
from adapters.sql.connections.engine import files_at, is_standby, open_engine, opened_engine
from adapters.sql.connections.files import Noted
from adapters.sql.connections.revisions import check_made, check_newest, is_served, migrate, revision, revision_fault
from adapters.sql.connections.session import Unfit
from adapters.sql.connections.wal import carrying
from adapters.sql.database.errors import cause_of
from adapters.sql.database.exceptions import Unavailable, Unstorable
from adapters.sql.database.fault_log import FaultLog
from adapters.sql.database.limits import TooLong, time_limit
from adapters.sql.database.threads import leave
from adapters.sql.database.transactions import is_read_only
from adapters.sql.erasure.destroy import Erasable
from adapters.sql.erasure.erase import Erasure
from adapters.sql.erasure.keeping import Keeper, keeper
from adapters.sql.erasure.retract import Unretractable
from adapters.sql.history.as_of import Erased, TemporalReads
from adapters.sql.history.historical import Arrival
from adapters.sql.history.parts import StreamPart, StreamParts
from adapters.sql.history.shared import once, sharing
from adapters.sql.log.batch_limits import batch_length
from adapters.sql.log.entries import Entry, Probe, Receipt, Rejection
from adapters.sql.log.group_commit import GroupCommit
from adapters.sql.log.kept_deliveries import KEPT_DELIVERIES
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import NOBODY, OWN, Recorder, own_source
from adapters.sql.log.seal import seal as sealed_by
from adapters.sql.log.write_probe import probe
from adapters.sql.long_streams.background import BackgroundFolding, LongStreams
from adapters.sql.outbox.outbox import HeldRelay, Outbox, Settled, Turn
from adapters.sql.outbox.relay_desk import RelayDesk
from adapters.sql.projections.current import Current
from adapters.sql.projections.erased import Base, measurement_id
from adapters.sql.projections.projection import Code, Source, record_in
from adapters.sql.projections.services import Answering
from adapters.sql.projections.status import Status, VersionStatus
from adapters.sql.projections.stored_events import BodyReader, to_event
from adapters.sql.projections.versions import Version
from adapters.sql.quarantine.quarantine import Quarantine, ReleaseCounts
from adapters.sql.queries.as_of import Repeat
from adapters.sql.queries.counts import NEWEST, Counted
from adapters.sql.queries.deliveries import Delivered, Deliveries, DeliveryKeyset, Refusals
from adapters.sql.queries.due import LiveAction
from adapters.sql.queries.events import Recorded, WantedEvents
from adapters.sql.queries.evidence import RecordedEvent, RecordedEvents
from adapters.sql.queries.filters import Due, DueIf
from adapters.sql.queries.relays import QueuedRelay, RelayState
from adapters.sql.queries.streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.queries.visits import VISIT_ENDINGS, VISIT_STEPS, Visit
from adapters.sql.reads.limited import LimitedReads
from adapters.sql.reads.reads import Reads
from adapters.sql.replay.build import FoldFailure, ReplayProgress, ReplayRefused
from adapters.sql.replay.difference import Difference
from adapters.sql.replay.helpers import spare_cores
from adapters.sql.replay.plans import Plan, Plans
from adapters.sql.replay.replay import Part, Replay
from adapters.sql.replay.reread import Rereader
from adapters.sql.service.configured import TOKENS, Configured, note_configuration, secrets_changed
from adapters.sql.service.first_use import (
    claim,
    claimed_sources,
    claims,
    held_otherwise,
    is_begun,
    name_spool,
    spooled_as,
)
from adapters.sql.service.presence import Presence
from adapters.sql.transfer.export_reader import (
    ExportedDelivery,
    ExportedEvent,
    ExportedStream,
    ExportReader,
    Extent,
    Selection,
)
from adapters.sql.transfer.import_items import (
    ErasedRemainder,
    ImportedDelivery,
    ImportedEvent,
    ImportOutcome,
    LastPosition,
    Unimportable,
)
from adapters.sql.transfer.import_record import record_imports
from adapters.sql.transfer.importer import Importer, ImportItem
