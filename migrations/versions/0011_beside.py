"""Streams that are too long to be folded while others wait are marked as such, and folded beside the appends."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("unfolded", sa.Column("beside", sa.Integer, nullable=False, server_default="0"))
