"""SQLite's write-ahead log: a reader that lasts lets it grow, and behind that it is small again."""

from pathlib import Path

from sqlalchemy import Engine, text

from adapters.sql import Reads, open_engine
from adapters.sql.database.engine import WAL_LIMIT


def test_the_log_is_cut_once_a_long_reader_is_gone(sqlite_url: str, tmp_path: Path):
    engine = open_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE grown (body BLOB)"))
    with engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM events")).scalar_one()
        for _ in range(6):
            _write(engine, WAL_LIMIT // 4)
    high = (tmp_path / "hookfold.db-wal").stat().st_size
    assert high > WAL_LIMIT
    assert Reads(engine).wal_bytes() == high

    for _ in range(2):
        _write(engine, 1)

    assert Reads(engine).wal_bytes() <= WAL_LIMIT
    engine.dispose()


def test_postgresql_has_none_beside_it(postgresql_url: str):
    engine = open_engine(postgresql_url)

    assert Reads(engine).wal_bytes() == 0
    engine.dispose()


def _write(engine: Engine, size: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO grown VALUES (randomblob(:size))"), {"size": size})
