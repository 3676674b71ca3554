"""What can be destroyed, what then stands in its place, and events that the fold skips."""

import sqlalchemy as sa
from alembic import op

revision = "0005_packed"  # a log at "0005" has longer headers and keys, and must not be taken for one of these
down_revision = "0004"


def upgrade() -> None:
    op.add_column("payloads", sa.Column("commitment", sa.LargeBinary))
    op.add_column("payloads", sa.Column("erased", sa.BigInteger))
    with op.batch_alter_table("streams") as streams:
        streams.alter_column("provider_id", existing_type=sa.Text, nullable=True)
    op.create_table(
        "erased",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("measured", sa.LargeBinary, nullable=False),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", name="pk_erased"),
    )
    op.create_table(
        "retractions",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("retraction", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "position", name="pk_retractions"),
        sqlite_with_rowid=False,
    )
