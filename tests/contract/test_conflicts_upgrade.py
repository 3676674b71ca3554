"""A log of an earlier release, in which each conflict kept a row."""

from adapters.sql import migrate
from tests.support.logs import Bench

ROW = (
    "INSERT INTO deliveries (source, delivery, verdict, head, position, received_at, recorded_at, status, size) "
    "VALUES ('energy', {0}, '{1}', {0}, {2}, 7, {0}, 200, 0)"
)

LATER = (
    "DROP TABLE conflicts",
    "DROP INDEX ix_projections_due",
    "DROP TABLE prefixes",
    "DROP INDEX ix_measurements_of_stream",
    "DROP INDEX ix_measurements_left",
    "ALTER TABLE measurements DROP COLUMN position",
    "ALTER TABLE measurements DROP COLUMN record",
    "CREATE INDEX ix_measurements_stream ON measurements (stream)",
    "UPDATE alembic_version SET version_num = '0014'",
)
"""What the migrations behind that release made is taken away."""


def test_an_upgrade_keeps_ten_conflicts_of_an_event_and_counts_the_others(database_url: str):
    bench = Bench(database_url)
    with bench.engine.begin() as connection:
        for statement in LATER:
            connection.exec_driver_sql(statement)
        for number in range(1, 14):
            connection.exec_driver_sql(ROW.format(number, "conflict", 1))
        for number, verdict in ((14, "conflict"), (15, "duplicate")):
            connection.exec_driver_sql(ROW.format(number, verdict, 2))

    migrate(bench.engine)

    kept = [*range(1, 11), 14, 15]
    assert [number for (number,) in bench.rows("SELECT delivery FROM deliveries ORDER BY delivery")] == kept
    assert bench.rows("SELECT * FROM conflicts") == [("energy", 1, 3, 13, 13, 11, 11)]
    bench.close()
