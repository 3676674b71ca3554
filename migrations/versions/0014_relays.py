"""What is to be delivered to handlers of sources with `mode = "relay"`, in the transaction that appends the event."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "relays",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("due", sa.BigInteger),
        sa.Column("holder", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_at", sa.BigInteger),
        sa.Column("last_at", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("failure", sa.Text),
        sa.Column("dead_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("source", "position", name="pk_relays"),
        sqlite_with_rowid=False,
    )
    for name, columns, where in (
        ("ix_relays_due", ["source", "due"], "due IS NOT NULL"),
        ("ix_relays_lane", ["source", "lane", "position"], "dead_at IS NULL"),
        ("ix_relays_dead", ["source", "position"], "dead_at IS NOT NULL"),
        ("ix_relays_waiting", ["source", "position"], "dead_at IS NULL"),
        ("ix_relays_holder", ["holder"], "holder IS NOT NULL"),
    ):
        op.create_index(name, "relays", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
