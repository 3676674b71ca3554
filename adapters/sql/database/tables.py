"""All tables. `events` is immutable and holds nothing personal; data that may be erased is in other tables.

Instants are integers (microseconds since 1970, UTC) on both databases, so no driver converts or drops a time zone.
Documents are JSON in byte columns, because text and jsonb columns of PostgreSQL refuse NUL.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MISREAD = text("reading <> 'ok'")
"""The condition of the partial index on the few events that moved no machine."""


def _partial(name: str, *columns: str, where: str) -> Index:
    """An index over some rows of a table."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


service = Table(
    "service",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name"),
)

events = Table(
    "events",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False),
    Column("stream", Text, comment="our id of the stream; null where the body could not be read"),
    Column("opened", BigInteger, comment="the stream's, so that streams of one time lie side by side in the index"),
    Column("reading", Text, nullable=False, comment="ok, unknown_type or undecodable"),
    Column("type", Text, comment="a type that the provider documents; null for every other"),
    Column("sequence", BigInteger),
    Column("occurred_at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("verified_by", Text, comment="the secret that matched, as the configuration names it; null: unsigned"),
    Column("leaf", LargeBinary, nullable=False),
    PrimaryKeyConstraint("source", "position"),
    UniqueConstraint("source", "key"),
    Index(None, "position", unique=True),
    Index(None, "source", "opened", "position"),
    _partial("ix_events_misread", "reading", "position", where=MISREAD.text),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False),
    Column("type", Text, comment="an unknown type as sent, made safe; null for documented ones"),
    Column("headers", LargeBinary, comment="field lines, packed (core/header_codec.py); null: erased"),
    Column("body", LargeBinary, comment="null: erased"),
    Column("salt", LargeBinary, comment="null: erased"),
    Column("origin", LargeBinary, comment="JSON: place and time in the log that an imported event was taken from"),
    Column("commitment", LargeBinary, comment="what the leaf covers of an erased payload; null while it is there"),
    Column("erased", BigInteger, comment="position of the event that tells of the erasure"),
    PrimaryKeyConstraint("source", "position"),
    sqlite_with_rowid=False,
)

streams = Table(
    "streams",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False, comment="our id, derived from source, kind and provider_id"),
    Column("kind", Text, nullable=False, comment="session, registration, action or device"),
    Column("provider_id", Text, comment="null: erased"),
    Column("opened", BigInteger, nullable=False, comment="position that first named the stream"),
    PrimaryKeyConstraint("source", "stream"),
    Index(None, "kind", "opened"),
)

erased = Table(
    "erased",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="of the event that tells of it"),
    Column("measured", LargeBinary, nullable=False, comment="JSON: {a measurement's first position: our id of it}"),
    Column("snapshot", LargeBinary, nullable=False, comment="the last fold, without what is personal"),
    PrimaryKeyConstraint("source", "stream"),
)

retractions = Table(
    "retractions",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="the fold skips this event"),
    Column("retraction", BigInteger, nullable=False, comment="position of the event that tells of it"),
    PrimaryKeyConstraint("source", "position"),
    sqlite_with_rowid=False,
)

nodes = Table(
    "nodes",
    metadata,
    Column("level", Integer, nullable=False, autoincrement=False, comment="4, 8, 12, ...; level 0 is events.leaf"),
    Column("place", BigInteger, nullable=False, autoincrement=False, comment="over the leaves from place << level"),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "place"),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("number", BigInteger, nullable=False, autoincrement=False, comment="1, 2, 3, ... without a gap"),
    Column("size", BigInteger, nullable=False, comment="the last position that it covers"),
    Column("note", LargeBinary, nullable=False, comment="the signed note; what it says is not kept a second time"),
    PrimaryKeyConstraint("number"),
    UniqueConstraint("size"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("source", Text, nullable=False),
    Column("delivery", BigInteger, nullable=False, autoincrement=False, comment="ascending, never reused"),
    Column("verdict", Text, nullable=False, comment="duplicate, conflict or rejected; a new one is an event"),
    Column("head", BigInteger, nullable=False, comment="the log's last position when this was recorded"),
    Column("position", BigInteger, comment="the event that holds the key; null for a rejection"),
    Column("received_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("status", Integer, nullable=False),
    Column("reason", Text, comment="a rejection's code"),
    Column("hint", Text, comment="a rejection's sentence for the on-call"),
    Column("size", BigInteger, nullable=False, comment="bytes of the body as received"),
    Column("headers", LargeBinary, comment="packed field lines; null for a duplicate"),
    Column("body", LargeBinary, comment="whole for a conflict, as far as kept for a rejection, null else"),
    PrimaryKeyConstraint("source", "delivery"),
    Index(None, "delivery"),
    Index(None, "source", "position"),
    Index(None, "source", "verdict", "delivery"),
    sqlite_with_rowid=False,
)

duplicates = Table(
    "duplicates",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="the event whose key came again"),
    Column("times", BigInteger, nullable=False, comment="how often, beyond the duplicates in `deliveries`"),
    Column("head", BigInteger, nullable=False, comment="that of the last one of these"),
    Column("recorded_at", BigInteger, nullable=False, comment="that of the last one of these"),
    PrimaryKeyConstraint("source", "position"),
    sqlite_with_rowid=False,
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="the event whose key came again"),
    Column("times", BigInteger, nullable=False, comment="with another body: how often, beyond those in `deliveries`"),
    Column("head", BigInteger, nullable=False, comment="that of the last one of these"),
    Column("recorded_at", BigInteger, nullable=False, comment="that of the last one of these"),
    Column("first_head", BigInteger, nullable=False, comment="that of the first one of these"),
    Column("first_recorded_at", BigInteger, nullable=False, comment="that of the first one of these"),
    PrimaryKeyConstraint("source", "position"),
    sqlite_with_rowid=False,
)

rejections = Table(
    "rejections",
    metadata,
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="the code"),
    Column("times", BigInteger, nullable=False, comment="how often, beyond the rejections in `deliveries`"),
    Column("first_at", BigInteger, nullable=False, comment="received_at of the first of these"),
    Column("last_at", BigInteger, nullable=False, comment="received_at of the last of these"),
    PrimaryKeyConstraint("source", "reason"),
    sqlite_with_rowid=False,
)

relays = Table(
    "relays",
    metadata,
    Column("source", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="the event that is to be delivered"),
    Column("lane", Text, nullable=False, comment="what is delivered in its order: a stream, or the event alone"),
    Column("target", Text, nullable=False, comment="what follows the handler's URL: path and query"),
    Column("due", BigInteger, comment="when it is tried next; null: behind an earlier one of its lane, or dead"),
    Column("holder", Text, comment="who delivers it now, until it is due"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_at", BigInteger, comment="of the first attempt"),
    Column("last_at", BigInteger, comment="of the last attempt"),
    Column("status", Integer, comment="what the handler answered last"),
    Column("failure", Text, comment="why it did not"),
    Column("dead_at", BigInteger, comment="when it was given up"),
    PrimaryKeyConstraint("source", "position"),
    _partial("ix_relays_due", "source", "due", where="due IS NOT NULL"),
    _partial("ix_relays_lane", "source", "lane", "position", where="dead_at IS NULL"),
    _partial("ix_relays_dead", "source", "position", where="dead_at IS NOT NULL"),
    _partial("ix_relays_waiting", "source", "position", where="dead_at IS NULL"),
    _partial("ix_relays_holder", "holder", where="holder IS NOT NULL"),
    sqlite_with_rowid=False,
)

MAY_BE_DUE = (
    "projections.state IN ('acknowledged', 'active', 'alive', 'analyzing', 'created', 'recovering', 'registered', "
    "'scanning', 'scheduled', 'started', 'unknown')"
)
"""The condition of the partial index on the few streams whose state has a deadline. A statement must use this exact
text."""
_MAY_BE_DUE = MAY_BE_DUE.removeprefix("projections.")

projections = Table(
    "projections",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, comment="of the machine that folded it"),
    Column("kind", Text, nullable=False),
    Column("machine", Text, nullable=False),
    Column("opened", BigInteger, nullable=False, comment="position that first named the stream: the lists' order"),
    Column("position", BigInteger, nullable=False, comment="last position folded; 0 for a stream only mentioned"),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("user_id", Text),
    Column("device", Text, comment="our id of the device, for actions"),
    Column("first_at", BigInteger),
    Column("last_at", BigInteger),
    Column("anomalies", Integer, nullable=False, comment="a bit for each kind in core.event.ANOMALIES"),
    Column("conflicts", Text, nullable=False, server_default="", comment="positions of keys with two bodies"),
    Column("snapshot", LargeBinary, nullable=False, comment="the fold's state, MessagePack"),
    PrimaryKeyConstraint("source", "stream", "fingerprint"),
    Index("ix_projections_kind_opened", "kind", "opened"),
    _partial("ix_projections_anomalous", "kind", "opened", where="anomalies <> 0"),
    _partial("ix_projections_live", "machine", "opened", where=_MAY_BE_DUE),
    _partial("ix_projections_due", "machine", "source", "opened", where=_MAY_BE_DUE),
    _partial("ix_projections_user_id", "user_id", "opened", where="user_id IS NOT NULL"),
    _partial("ix_projections_device", "device", "opened", where="device IS NOT NULL"),
)

runs = Table(
    "runs",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("first", BigInteger, nullable=False, autoincrement=False, comment="the number of the block's first run"),
    Column("runs", LargeBinary, nullable=False, comment="50 ended runs that have left the snapshot, MessagePack"),
    PrimaryKeyConstraint("source", "stream", "fingerprint", "first"),
)

prefixes = Table(
    "prefixes",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("position", BigInteger, nullable=False, autoincrement=False, comment="it holds all events up to this one"),
    Column("last", BigInteger, nullable=False, comment="the last of its events in canonical order"),
    Column("others", LargeBinary, nullable=False, comment="positions of what else it holds, MessagePack"),
    Column("run", BigInteger, nullable=False, comment="the number of the run in which it ends"),
    Column("snapshot", LargeBinary, nullable=False, comment="the state that it comes to, MessagePack"),
    PrimaryKeyConstraint("source", "stream", "fingerprint", "position"),
)

measurements = Table(
    "measurements",
    metadata,
    Column("source", Text, nullable=False),
    Column("measurement", Text, nullable=False, comment="our id"),
    Column("fingerprint", Text, nullable=False),
    Column("stream", Text, nullable=False, comment="the session it belongs to"),
    Column("opened", BigInteger, nullable=False, comment="position of the first event that told of it"),
    Column("measurement_id", Text, comment="the provider's; null where none was ever given"),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("anomalies", Integer, nullable=False),
    Column("position", BigInteger, comment="of its last event; null while its record stands in the session's snapshot"),
    Column("record", LargeBinary, comment="once it has left the snapshot, MessagePack"),
    PrimaryKeyConstraint("source", "measurement", "fingerprint"),
    Index(None, "opened"),
    Index("ix_measurements_of_stream", "stream", "opened"),
    _partial("ix_measurements_left", "stream", "position", where="position IS NOT NULL"),
    _partial("ix_measurements_measurement_id", "measurement_id", "opened", where="measurement_id IS NOT NULL"),
)

services = Table(
    "services",
    metadata,
    Column("name", Text, nullable=False, comment="pid@host"),
    Column("release", Text, nullable=False),
    Column("code", Text, nullable=False, comment="JSON: {machine: fingerprint}"),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False, comment="its last sign of life"),
    Column("ended_at", BigInteger, comment="when it was stopped"),
    PrimaryKeyConstraint("name"),
)

versions = Table(
    "versions",
    metadata,
    Column("machine", Text, nullable=False),
    Column("version", Text, nullable=False, comment="the fingerprint, or fingerprint-N for a rebuild by the same code"),
    Column("fingerprint", Text, nullable=False, comment="of the code that folds it"),
    Column("status", Text, nullable=False, comment="unbuilt, building, ready, serving, retired or dropping"),
    Column("declaration", LargeBinary, nullable=False, comment="JSON: the machine's rows, to tell what changed"),
    Column("registered_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, comment="of the build"),
    Column("progressed_at", BigInteger, comment="of the build's last commit"),
    Column("switched_at", BigInteger, comment="when it last began to serve"),
    Column("built_by", Text, comment="pid@host"),
    Column("builder", Text, comment="whose build it is: another one that takes over changes it"),
    Column("reached", BigInteger, nullable=False, server_default="0", comment="the build's cursor: a stream's opened"),
    Column("folded", BigInteger, nullable=False, server_default="0", comment="streams that the build has folded"),
    PrimaryKeyConstraint("machine", "version"),
)

unfolded = Table(
    "unfolded",
    metadata,
    Column("source", Text, nullable=False),
    Column("stream", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("position", BigInteger, nullable=False, comment="the log's last one when the stream was first marked"),
    Column("token", BigInteger, nullable=False, comment="new with every mark: an older fold does not clear it"),
    Column("error", Text, comment="why this version's code could not fold the stream"),
    Column(
        "beside",
        Integer,
        nullable=False,
        server_default="0",
        comment="1 for a long stream, +1 for each conflict, and flags",
    ),
    PrimaryKeyConstraint("source", "stream", "version"),
    Index(None, "version", "position"),
)

replays = Table(
    "replays",
    metadata,
    Column("id", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("machines", Text, nullable=False, comment="names with spaces between; empty: all"),
    Column("status", Text, nullable=False, comment="planning, planned, replaying, done or failed"),
    Column("told_by", Text, nullable=False, comment="pid@host of the process at work"),
    Column("report", LargeBinary, comment="JSON: what would change"),
    Column("error", Text),
    PrimaryKeyConstraint("id"),
)
