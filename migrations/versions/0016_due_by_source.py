"""What has yet to end is found by machine and source: what another one has left open is not read with it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    live = sa.text(
        "state IN ('acknowledged', 'active', 'alive', 'analyzing', 'created', 'recovering', 'registered', "
        "'scanning', 'scheduled', 'started', 'unknown')"
    )
    columns = ["machine", "source", "opened"]
    op.create_index("ix_projections_due", "projections", columns, sqlite_where=live, postgresql_where=live)
