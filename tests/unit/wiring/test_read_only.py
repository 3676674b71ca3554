"""A database that is only read: the database itself refuses what would write, and nothing is made or mended."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.config import ConfigError, Settings, load
from adapters.sql import GroupCommit, Unavailable, back_up, claim, opened_engine
from tests.support.house import start
from wiring.opening import open_components, open_to_read

SESSION = json.dumps(start("ada")).encode()


def settings(folder: Path, url: str) -> Settings:
    (folder / "hookfold.toml").write_text('[sources.captions]\nprovider = "mentraos"\n')
    return load(None, {"HOOKFOLD_CONFIG": str(folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url})


@pytest.fixture
def written(database_url: str, tmp_path: Path) -> Iterator[tuple[Settings, Any]]:
    with _written(database_url, tmp_path) as made:
        yield made


@contextmanager
def _written(database_url: str, tmp_path: Path) -> Iterator[tuple[Settings, Any]]:
    """A log with one session, and who appends more."""
    parts = open_components(settings(tmp_path, database_url), begin=True)
    with closing(parts), closing(parts.log()) as log:
        client = parts.flask(parts.door(), GroupCommit(log.commit).append).test_client()
        assert client.post("/in/captions", data=SESSION).status_code == 200
        yield settings(tmp_path, database_url), client


def test_what_others_write_is_read_and_nothing_can_be_written(written: tuple[Settings, Any]):
    found, writer = written
    parts = open_to_read(found)
    with closing(parts):
        client: Any = parts.http(parts.reading_api(), parts.closed_door(), _refuse).test_client()
        assert client.get("/v1/sessions").headers["ETag"] == writer.get("/v1/sessions").headers["ETag"]

        writer.post("/in/captions", data=SESSION.replace(b"ada", b"bob"))

        assert len(client.get("/v1/sessions").json["data"]) == 2
        with pytest.raises(Exception, match=r"read-?only"):
            claim(parts.engine, {"fact": "held"})


def test_a_backup_is_read_as_the_log_was(sqlite_url: str, tmp_path: Path):
    with _written(sqlite_url, tmp_path) as (found, writer):
        with opened_engine(found.database_url) as engine:
            back_up(engine, tmp_path / "copy.db")

        parts = open_to_read(settings(tmp_path, f"sqlite:///{tmp_path}/copy.db"))

        with closing(parts):
            client: Any = parts.http(parts.reading_api(), parts.closed_door(), _refuse).test_client()
            assert client.get("/v1/sessions").headers["ETag"] == writer.get("/v1/sessions").headers["ETag"]


def test_where_there_is_no_log_none_is_made(tmp_path: Path, empty_database_url: str):
    (tmp_path / "var").mkdir()
    for name in ("secret", "signing-key"):
        (tmp_path / "var" / name).write_text("0123456789abcdef" * 4)
    service = '[service]\nsecret = "file:var/secret"\nsigning_key = "file:var/signing-key"\n'
    (tmp_path / "hookfold.toml").write_text(service)
    env = {"HOOKFOLD_CONFIG": str(tmp_path / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": empty_database_url}

    with pytest.raises((ConfigError, Unavailable), match=r"there is none|revision"):
        open_to_read(load(None, env))


def test_a_missing_secret_is_asked_back_and_none_is_made(written: tuple[Settings, Any], tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    with pytest.raises(ConfigError, match="missing"):
        open_to_read(_without_secrets(elsewhere, written[0].database_url))

    assert not list(elsewhere.glob("var/*"))


def _without_secrets(folder: Path, url: str) -> Settings:
    service = '[service]\nsecret = "file:var/secret"\nsigning_key = "file:var/signing-key"\n'
    (folder / "hookfold.toml").write_text(service)
    return load(None, {"HOOKFOLD_CONFIG": str(folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url})


def _refuse(_: Any) -> Any:
    raise Unavailable("nothing is appended")
