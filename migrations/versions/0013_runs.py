"""Ended runs leave a stream's snapshot, which is written with every event, for rows of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("runs", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", "fingerprint", "first", name="pk_runs"),
    )
