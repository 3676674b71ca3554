"""Runs the migrations on the connection that it is given, or on HOOKFOLD_DATABASE_URL."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=None, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(os.environ["HOOKFOLD_DATABASE_URL"]).begin() as own:
        run(own)
