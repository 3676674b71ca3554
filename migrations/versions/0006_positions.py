"""The database itself refuses a position that is given twice: on PostgreSQL nothing did."""

from alembic import op

revision = "0006"
down_revision = "0005_packed"


def upgrade() -> None:
    op.drop_index("ix_events_position", "events")
    op.create_index("ix_events_position", "events", ["position"], unique=True)
