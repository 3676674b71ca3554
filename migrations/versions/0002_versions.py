"""The versions of the projections, and the marks of the streams that a version has yet to fold."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "versions",
        sa.Column("machine", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("declaration", sa.LargeBinary, nullable=False),
        sa.Column("registered_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("progressed_at", sa.BigInteger),
        sa.Column("switched_at", sa.BigInteger),
        sa.Column("built_by", sa.Text),
        sa.Column("builder", sa.Text),
        sa.Column("reached", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("folded", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("machine", "version", name="pk_versions"),
    )
    op.create_table(
        "unfolded",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("source", "stream", "version", name="pk_unfolded"),
    )
    op.create_table(
        "replays",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("machines", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("told_by", sa.Text, nullable=False),
        sa.Column("report", sa.LargeBinary),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_replays"),
    )
    op.create_index("ix_unfolded_version_position", "unfolded", ["version", "position"])
    op.create_index("ix_streams_kind_opened", "streams", ["kind", "opened"])
    op.execute("INSERT INTO service (name, value) VALUES ('epoch', '1')")
    _adopt_the_newest()


def _adopt_the_newest() -> None:
    """Of each machine, the fingerprint that folded last has folded everything; what others left is not kept up."""
    op.execute(
        "INSERT INTO versions (machine, version, fingerprint, status, declaration, registered_at) "
        "SELECT p.machine, p.fingerprint, p.fingerprint, 'serving', CAST('{}' AS "
        f"{'BLOB' if op.get_bind().dialect.name == 'sqlite' else 'BYTEA'}), 0 FROM projections p "
        "WHERE p.position = (SELECT max(n.position) FROM projections n WHERE n.machine = p.machine) "
        "GROUP BY p.machine, p.fingerprint"
    )
    for table in ("projections", "measurements"):
        op.execute(f"DELETE FROM {table} WHERE fingerprint NOT IN (SELECT version FROM versions)")
