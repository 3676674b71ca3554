"""Snapshot isolation for one transaction."""

from sqlalchemy import Connection


def repeatable_read(connection: Connection) -> None:
    """Makes a transaction see one state while others write. SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
