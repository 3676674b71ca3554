"""What a stored event takes on disk, all tables and indexes, over the bytes that arrived for it."""

from sqlalchemy import Connection, text

from adapters.sql import open_engine
from bench.command import Filled, Place, main
from bench.fill import filled
from bench.results import Figure

AT_MOST = 2.5

_SQLITE = (
    "SELECT coalesce(tbl_name, d.name), sum(pgsize) FROM dbstat d LEFT JOIN sqlite_schema s USING (name) GROUP BY 1"
)
_POSTGRESQL = """SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""


def storage(place: Place) -> list[Figure]:
    """Both databases as they are left by appends; nothing is compacted before."""
    return [_of(kind, filled(place, kind, place.scale.small)) for kind in place.databases]


def _of(kind: str, database: Filled) -> Figure:
    tables = _tables(kind, database)
    total, raw = sum(tables.values()) / database.events, database.raw / database.events
    return Figure(
        name=f"storage {kind}",
        value=total,
        unit="bytes/event",
        reference="body and headers",
        reference_value=raw,
        ratio=total / raw,
        wanted=AT_MOST,
        less=True,
        note=", ".join(
            f"{name} {size / database.events:.0f}" for name, size in tables.items() if size > database.events
        ),
        settings={"database": kind, "events": database.events},
    )


def _tables(kind: str, database: Filled) -> dict[str, int]:
    """Bytes of each table with its indexes, the largest first."""
    engine = open_engine(database.url)
    with engine.connect() as connection:
        found = _sizes(kind, connection)
    engine.dispose()
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _sizes(kind: str, connection: Connection) -> dict[str, int]:
    statement = _SQLITE if kind == "sqlite" else _POSTGRESQL
    return {str(name): int(size) for name, size in connection.execute(text(statement))}


if __name__ == "__main__":
    main({"storage": storage})
