"""What a long stream costs no longer grows with it.

Measurements leave their session's snapshot, which is written with every event, for their rows. States are stored along
a stream, so that a page of it need not be folded from the first event on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("measurements", sa.Column("position", sa.BigInteger))
    op.add_column("measurements", sa.Column("record", sa.LargeBinary))
    op.drop_index("ix_measurements_stream", "measurements")
    op.create_index("ix_measurements_of_stream", "measurements", ["stream", "opened"])
    left = sa.text("position IS NOT NULL")
    op.create_index(
        "ix_measurements_left", "measurements", ["stream", "position"], sqlite_where=left, postgresql_where=left
    )
    op.create_table(
        "prefixes",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("others", sa.LargeBinary, nullable=False),
        sa.Column("run", sa.BigInteger, nullable=False),
        sa.Column("snapshot", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "stream", "fingerprint", "position", name="pk_prefixes"),
    )
