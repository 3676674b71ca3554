"""The event log, what stands beside it, the projections, and the triggers that keep the log immutable."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _log()
    _beside_the_log()
    _projections()
    if op.get_bind().dialect.name == "postgresql":
        # a projection is written again for every event: with room in its page, that touches no index
        op.execute("ALTER TABLE projections SET (fillfactor = 60)")
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


def _log() -> None:
    op.create_table(
        "events",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("stream", sa.Text),
        sa.Column("opened", sa.BigInteger),
        sa.Column("reading", sa.Text, nullable=False),
        sa.Column("type", sa.Text),
        sa.Column("sequence", sa.BigInteger),
        sa.Column("occurred_at", sa.BigInteger),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("verified_by", sa.Text),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "position", name="pk_events"),
        sa.UniqueConstraint("source", "key", name="uq_events_source_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_events_position", "events", ["position"])
    op.create_index("ix_events_source_opened_position", "events", ["source", "opened", "position"])
    op.create_table(
        "payloads",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("type", sa.Text),
        sa.Column("headers", sa.LargeBinary),
        sa.Column("body", sa.LargeBinary),
        sa.Column("salt", sa.LargeBinary),
        sa.PrimaryKeyConstraint("source", "position", name="pk_payloads"),
        sqlite_with_rowid=False,
    )


def _beside_the_log() -> None:
    op.create_table(
        "service",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_service"),
    )
    op.create_table(
        "streams",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", name="pk_streams"),
    )
    op.create_table(
        "deliveries",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("delivery", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("hint", sa.Text),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("headers", sa.LargeBinary),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("source", "delivery", name="pk_deliveries"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deliveries_delivery", "deliveries", ["delivery"])
    op.create_index("ix_deliveries_source_position", "deliveries", ["source", "position"])
    op.create_index("ix_deliveries_source_verdict_delivery", "deliveries", ["source", "verdict", "delivery"])


def _projections() -> None:
    op.create_table(
        "projections",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("user_id", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("first_at", sa.BigInteger),
        sa.Column("last_at", sa.BigInteger),
        sa.Column("anomalies", sa.Integer, nullable=False),
        sa.Column("conflicts", sa.Text, nullable=False, server_default=""),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", "fingerprint", name="pk_projections"),
    )
    op.create_index("ix_projections_kind_opened", "projections", ["kind", "opened"])
    _partial_index("projections", "anomalous", ["kind", "opened"], "anomalies <> 0")
    _partial_index("projections", "user_id", ["user_id", "opened"], "user_id IS NOT NULL")
    _partial_index("projections", "device", ["device", "opened"], "device IS NOT NULL")
    op.create_table(
        "measurements",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("measurement", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("measurement_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("anomalies", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("source", "measurement", "fingerprint", name="pk_measurements"),
    )
    op.create_index("ix_measurements_opened", "measurements", ["opened"])
    op.create_index("ix_measurements_stream", "measurements", ["stream"])
    _partial_index("measurements", "measurement_id", ["measurement_id", "opened"], "measurement_id IS NOT NULL")


def _partial_index(table: str, name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(f"ix_{table}_{name}", table, columns, sqlite_where=condition, postgresql_where=condition)


# SQLite: REPLACE deletes without firing a delete trigger, so the insert itself is refused where it would replace.
# PostgreSQL: ALWAYS, so that a session in replica mode is refused too; row triggers do not see TRUNCATE.
_TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events are immutable: UPDATE refused'); END",
        "CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events "
        "BEGIN SELECT RAISE(ABORT, 'events are immutable: DELETE refused'); END",
        "CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events "
        "WHEN NEW.position <= (SELECT max(position) FROM events) "
        "OR EXISTS (SELECT 1 FROM events WHERE source = NEW.source AND key = NEW.key) "
        "BEGIN SELECT RAISE(ABORT, 'events are append-only: a taken position or key refused'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are immutable: % refused', TG_OP; END $$",
        "CREATE TRIGGER events_refuse_change BEFORE UPDATE OR DELETE ON events "
        "FOR EACH ROW EXECUTE FUNCTION events_refuse()",
        "CREATE TRIGGER events_refuse_truncate BEFORE TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_refuse()",
        "ALTER TABLE events ENABLE ALWAYS TRIGGER events_refuse_change",
        "ALTER TABLE events ENABLE ALWAYS TRIGGER events_refuse_truncate",
    ],
}
