"""Measurements leave their session's snapshot, which is written with every event, for their rows."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("measurements", sa.Column("position", sa.BigInteger))
    op.add_column("measurements", sa.Column("record", sa.LargeBinary))
    op.drop_index("ix_measurements_stream", "measurements")
    op.create_index("ix_measurements_of_stream", "measurements", ["stream", "opened"])
    left = sa.text("position IS NOT NULL")
    op.create_index(
        "ix_measurements_left", "measurements", ["stream", "position"], sqlite_where=left, postgresql_where=left
    )
