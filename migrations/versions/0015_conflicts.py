"""How often an event's key came again with another body, beyond the conflicts that are on record one by one.

Of an event the first ten stay. What came beyond them is counted and removed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_NUMBERED = (
    "SELECT source, delivery, position, head, recorded_at, row_number() OVER (PARTITION BY source, position "
    "ORDER BY delivery) AS place FROM deliveries WHERE verdict = 'conflict'"
)


def upgrade() -> None:
    op.create_table(
        "conflicts",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("first_head", sa.BigInteger, nullable=False),
        sa.Column("first_recorded_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "position", name="pk_conflicts"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO conflicts (source, position, times, head, recorded_at, first_head, first_recorded_at) "
        "SELECT source, position, count(*), max(head), max(recorded_at), min(head), min(recorded_at) "
        f"FROM ({_NUMBERED}) numbered WHERE place > 10 GROUP BY source, position"
    )
    op.execute(
        "DELETE FROM deliveries WHERE verdict = 'conflict' AND (source, delivery) IN "
        f"(SELECT source, delivery FROM ({_NUMBERED}) numbered WHERE place > 10)"
    )
