"""Where imported events come from."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("payloads", sa.Column("origin", sa.LargeBinary))
