"""The few streams that may be overdue, presumed to have ended or silent are found among all others."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    live = sa.text(
        "state IN ('acknowledged', 'active', 'alive', 'analyzing', 'created', 'recovering', 'registered', "
        "'scanning', 'scheduled', 'started', 'unknown')"
    )
    op.create_index("ix_projections_live", "projections", ["kind", "opened"], sqlite_where=live, postgresql_where=live)
