"""One transaction that sees one state."""

from sqlalchemy import Connection


def hold_still(connection: Connection) -> None:
    """Lets one transaction see one state, though others write meanwhile, as SQLite does by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
