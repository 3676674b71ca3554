"""A list of what is due is read by machine: the open streams of another machine of that kind are not read with it."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    live = sa.text(
        "state IN ('acknowledged', 'active', 'alive', 'analyzing', 'created', 'recovering', 'registered', "
        "'scanning', 'scheduled', 'started', 'unknown')"
    )
    columns = ["machine", "opened"]
    op.drop_index("ix_projections_live", "projections")
    op.create_index("ix_projections_live", "projections", columns, sqlite_where=live, postgresql_where=live)
