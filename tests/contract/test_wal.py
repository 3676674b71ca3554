"""SQLite's write-ahead log: carried over beside the commits, and small again where a reader let it grow."""

from pathlib import Path
from queue import Queue

import pytest
from sqlalchemy import Engine, event, text

from adapters.sql import Reads, carrying, open_engine
from adapters.sql.connections import wal
from adapters.sql.connections.engine import WAL_LIMIT


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


def test_it_is_carried_over_once_and_the_database_is_left_alone_until_somebody_writes(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wal, "TICK", 0.001)
    looks, engine, own = Queue[str](), open_engine(sqlite_url), open_engine(sqlite_url)
    look_at = wal._look_at

    def told(path: Path) -> tuple[int, int, int] | None:
        looks.put("look")
        return look_at(path)

    monkeypatch.setattr(wal, "_look_at", told)
    event.listen(own, "checkout", lambda *_: looks.put("opened"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE grown (body BLOB)"))

    with carrying(own):
        first = _until_at_rest(looks)
        _write(engine, 100_000)
        second = _until_at_rest(looks)

    assert first
    assert second
    assert (tmp_path / "hookfold.db").stat().st_size > 100_000
    own.dispose()
    engine.dispose()


def _until_at_rest(looks: "Queue[str]") -> bool:
    """Whether the database was opened before it was left alone for twenty looks at its two files."""
    opened, alone = False, 0
    while alone < 40:
        if looks.get(timeout=20) == "opened":
            opened, alone = True, 0
        else:
            alone += opened
    return opened


def test_postgresql_has_none_beside_it(postgresql_url: str):
    engine = open_engine(postgresql_url)

    assert Reads(engine).wal_bytes() == 0
    engine.dispose()


def _write(engine: Engine, size: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO grown VALUES (randomblob(:size))"), {"size": size})
