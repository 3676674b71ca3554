"""The migrations make the schema that the statements are written for."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from adapters.sql.database.tables import metadata

_TOLD_IN_THE_DATABASE = {"modify_comment", "add_table_comment", "remove_table_comment"}
"""Comments are for who looks at a database; migrations alone write them."""


def test_the_migrations_leave_no_difference_to_the_declared_tables(database_url: str):
    engine = create_engine(database_url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": False})

            found = compare_metadata(context, metadata)
    finally:
        engine.dispose()
    each = [one for some in found for one in (some if isinstance(some, list) else [some])]
    assert [one for one in each if one[0] not in _TOLD_IN_THE_DATABASE] == []
