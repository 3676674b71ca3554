"""The Merkle tree over the events, and its checkpoints: both append-only, as the events are."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("level", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("place", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name="pk_nodes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_checkpoints"),
        sa.UniqueConstraint("size", name="uq_checkpoints_size"),
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


_TAKEN = {
    "nodes": "level = NEW.level AND place = NEW.place",
    "checkpoints": "number = NEW.number OR size = NEW.size",
}
# As in 0001: SQLite deletes for REPLACE without a delete trigger, PostgreSQL's row triggers do not see TRUNCATE.
_TRIGGERS = {
    "sqlite": [
        statement
        for table, taken in _TAKEN.items()
        for statement in (
            f"CREATE TRIGGER {table}_refuse_update BEFORE UPDATE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are immutable: UPDATE refused'); END",
            f"CREATE TRIGGER {table}_refuse_delete BEFORE DELETE ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} are immutable: DELETE refused'); END",
            f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} are append-only: REPLACE refused'); END",
        )
    ],
    "postgresql": [
        "CREATE FUNCTION tree_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% are immutable: % refused', TG_TABLE_NAME, TG_OP; END $$",
        *(
            statement
            for table in _TAKEN
            for statement in (
                f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION tree_refuse()",
                f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION tree_refuse()",
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_refuse_change",
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_refuse_truncate",
            )
        ),
    ],
}
