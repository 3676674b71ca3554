"""The few events that could not be read as documented are found among all others."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    misread = sa.text("reading <> 'ok'")
    op.create_index(
        "ix_events_misread", "events", ["reading", "position"], sqlite_where=misread, postgresql_where=misread
    )
