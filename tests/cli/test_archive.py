"""`hookfold export` and `hookfold import`, as they are typed."""

import json
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from adapters.cli import command_line
from adapters.config import load, write_template
from adapters.sql import Entry, opened_engine
from adapters.sql.database import tables
from app import commands
from tests.support.house import start
from wiring.opening import open_components

Run = Callable[..., Result]


@pytest.fixture
def typed(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command of the real line, in a folder with a configuration and a log with two events."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    write_template(elsewhere / "hookfold.toml")
    receive("ada")
    receive("bob")
    return lambda *words, **given: CliRunner().invoke(command_line(commands()), [str(word) for word in words], **given)


def test_an_export_goes_into_a_file_that_only_its_owner_reads(typed: Run, elsewhere: Path):
    result = typed("export", "-o", elsewhere / "log.jsonl")

    assert result.exit_code == 0
    assert stat.S_IMODE((elsewhere / "log.jsonl").stat().st_mode) == 0o600
    lines = [json.loads(line) for line in (elsewhere / "log.jsonl").read_text().splitlines()]
    assert [line["line"] for line in lines] == ["header", "source", "event", "event", "end"]
    assert [path.name for path in elsewhere.glob(".log*")] == []


def test_a_pipe_from_one_database_to_another(typed: Run, elsewhere: Path, postgresql_url: str):
    file = typed("export").stdout_bytes

    result = typed("import", "-", "--database", postgresql_url, input=file)

    assert (result.exit_code, result.stdout) == (0, "2 events imported with their positions\n")
    assert typed("export", "--database", postgresql_url).stdout_bytes == file


def test_an_import_again_tells_that_everything_was_here(typed: Run):
    file = typed("export").stdout_bytes

    result = typed("import", "-", "--json", input=file)

    assert result.exit_code == 0
    counts = json.loads(result.stdout)
    assert {name: count for name, count in counts.items() if count} == {"known": 2}


def test_a_retracted_event_that_is_left_out_is_not_called_erased(typed: Run, elsewhere: Path):
    typed("audit", "retract", 1, "--reason", "sent by mistake")
    file = typed("export").stdout_bytes

    result = typed("import", "-", "--append", "--database", f"sqlite:///{elsewhere}/other.db", input=file)

    assert result.stdout == "1 event appended with a new position\n1 retracted event left out\n"


def test_new_positions_are_given_where_they_are_asked_for(typed: Run, elsewhere: Path):
    file = typed("export").stdout_bytes

    result = typed("import", "-", "--append", "--database", f"sqlite:///{elsewhere}/other.db", input=file)

    assert result.stdout == "2 events appended with new positions\n"


def test_a_broken_file_is_told_by_its_line_and_exits_with_1(typed: Run, elsewhere: Path):
    file = typed("export").stdout_bytes.replace(b"bob", b"rob", 1)

    result = typed("import", "-", "--database", f"sqlite:///{elsewhere}/other.db", input=file)

    assert result.exit_code == 1
    assert "line 4: the hash does not fit" in result.stderr
    assert "1 event before it is in the log" in result.stderr


def test_another_secret_is_refused_before_the_database_is_touched(typed: Run, elsewhere: Path):
    file = typed("export").stdout_bytes
    (elsewhere / "var" / "secret").write_text("another secret of a service, long enough for everybody")

    result = typed("import", "-", "--database", f"sqlite:///{elsewhere}/other.db", input=file)

    assert result.exit_code == 1
    assert "another service secret" in result.stderr
    assert not (elsewhere / "other.db").exists()


def test_an_export_and_an_import_are_on_record_in_the_reserved_source(typed: Run, elsewhere: Path):
    file = typed("export").stdout_bytes
    typed("import", "-", "--database", f"sqlite:///{elsewhere}/other.db", input=file)

    here = typed("export", "--with-own").stdout
    there = typed("export", "--with-own", "--database", f"sqlite:///{elsewhere}/other.db").stdout

    assert own_types(here) == ["exported", "exported"]
    assert own_types(there) == ["imported", "exported"]


@pytest.fixture(params=["sqlite", "postgresql"])
def copy(request: pytest.FixtureRequest, elsewhere: Path) -> str:
    """The URL of an empty database to import into."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return f"sqlite:///{elsewhere}/copy.db"


def test_an_import_that_was_interrupted_goes_on_with_positions_clocks_and_leaves(typed: Run, copy: str):
    file = typed("export").stdout_bytes
    cut_off = b"".join(file.splitlines(keepends=True)[:3])
    assert typed("import", "-", "--database", copy, input=cut_off).exit_code == 1

    result = typed("import", "-", "--database", copy, input=file)

    assert result.stdout == "1 event imported with its position\n1 event already in this log\n"
    assert events(copy) == events(os.environ["HOOKFOLD_DATABASE_URL"])[:2]


def test_a_later_export_brings_what_came_since(typed: Run, copy: str):
    typed("import", "-", "--database", copy, input=typed("export").stdout_bytes)
    typed("import", "-", "--database", copy, input=typed("export").stdout_bytes)
    receive("eve")

    result = typed("import", "-", "--database", copy, input=typed("export").stdout_bytes)

    assert "1 event imported with its position\n2 events already in this log\n" in result.stdout
    received = [row for row in events(os.environ["HOOKFOLD_DATABASE_URL"]) if row[0] != "hookfold"]
    assert [row for row in events(copy) if row[0] != "hookfold"] == received


def test_a_log_that_went_on_by_itself_takes_nothing_before_somebody_wants_it(typed: Run, copy: str):
    typed("import", "-", "--database", copy, input=typed("export", "--with-own").stdout_bytes)
    receive("eve")
    receive("kim", copy)
    before = events(copy)
    later = typed("export").stdout_bytes

    refused = typed("import", "-", "--database", copy, input=later)

    assert refused.exit_code == 1
    assert "--append" in refused.stderr
    assert "nothing was imported" in refused.stderr
    assert events(copy) == before
    wanted = typed("import", "-", "--append", "--database", copy, input=later)
    assert wanted.stdout == "1 event appended with a new position\n2 events already in this log\n"


def test_another_log_takes_each_event_once_with_a_new_position(typed: Run, copy: str):
    assert typed("db", "new", "--database", copy).exit_code == 0
    receive("kim", copy)
    file = typed("export").stdout_bytes

    first, again = (typed("import", "-", "--database", copy, input=file) for _ in range(2))

    assert first.stdout == "2 events appended with new positions\n"
    assert again.stdout == "2 events already in this log\n"
    assert own_types(typed("export", "--with-own", "--database", copy).stdout) == ["imported", "exported"]


def test_what_was_erased_and_retracted_comes_so(typed: Run, copy: str):
    typed("audit", "erase", "--user", "ada", "--reason", "asked for", "--yes")
    typed("audit", "retract", 2, "--reason", "sent by mistake")
    file = typed("export").stdout_bytes

    assert typed("import", "-", "--database", copy, input=file).exit_code == 0

    assert [row[:2] for row in events(copy)][:2] == [("captions", 1), ("captions", 2)]
    urls = (os.environ["HOOKFOLD_DATABASE_URL"], copy)
    there, here = (typed("export", "--format", "states", "--database", url).stdout for url in urls)
    assert here == there
    assert b"ada-com" not in typed("export", "--database", copy).stdout_bytes


def test_a_source_that_is_not_configured_is_refused_with_what_to_write(typed: Run, copy: str, elsewhere: Path):
    file = typed("export").stdout_bytes
    configured = elsewhere / "hookfold.toml"
    configured.write_text(configured.read_text().replace("[sources.captions]", "[sources.others]"))

    result = typed("import", "-", "--database", copy, input=file)

    assert result.exit_code == 1
    assert "[sources.captions]" in result.stderr
    assert events(copy) == []


def test_imports_are_told_of_before_the_log_goes_on_by_itself(typed: Run, copy: str):
    file = typed("export").stdout_bytes
    for part in (b"".join(file.splitlines(keepends=True)[:3]), file):
        typed("import", "-", "--database", copy, input=part)

    told = own_types(typed("export", "--with-own", "--database", copy).stdout)

    assert told == ["imported", "exported"]
    assert own_types(typed("export", "--with-own", "--database", copy).stdout) == ["imported", "exported", "exported"]


def test_a_session_is_named_by_its_id_or_by_ours(typed: Run):
    by_name = typed("export", "--format", "states", "--session", "ada-com.example.captions").stdout
    ours = by_name.splitlines()[1].split(",")[1]

    by_ours = typed("export", "--format", "states", "--session", ours).stdout

    assert by_ours == by_name
    assert len(by_name.splitlines()) == 2


@pytest.mark.parametrize("form", ["jsonl", "cloudevents", "states", "timelines"])
def test_every_form_is_written(typed: Run, form: str):
    result = typed("export", "--format", form)

    assert result.exit_code == 0
    assert b"bob" in result.stdout_bytes


def test_csv_begins_with_a_byte_order_mark_on_request(typed: Run):
    for form in ("states", "timelines"):
        marked = typed("export", "--format", form, "--bom").stdout_bytes
        assert marked == b"\xef\xbb\xbf" + typed("export", "--format", form).stdout_bytes

    result = typed("export", "--bom")
    assert (result.exit_code, "--bom is for CSV" in result.stderr) == (2, True)


def test_a_source_that_is_not_there_is_wrong_usage(typed: Run):
    result = typed("export", "--source", "elswhere")

    assert result.exit_code == 2
    assert "there is no source elswhere: there are " in result.stderr


def test_a_session_that_is_not_there_is_wrong_usage(typed: Run):
    for name in ("nobody-com.example.captions", "ses_" + "a" * 26):
        result = typed("export", "--session", name)

        assert (result.exit_code, result.stdout) == (2, "")
        assert f"there is no session {name}" in result.stderr


def test_a_time_that_is_none_is_wrong_usage(typed: Run):
    assert typed("export", "--since", "yesterday").exit_code == 2
    assert typed("export", "--since", "2026-11-21").exit_code == 0


def test_what_was_altered_in_the_database_is_told_and_leaves_no_file(typed: Run, elsewhere: Path):
    parts = open_components(load(None, os.environ))
    log = parts.log()
    log.append([parts.door().receive("captions", [], b"")])
    log.close()
    with parts.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET headers = x'ff'")
    parts.engine.dispose()

    result = typed("export", "-o", elsewhere / "log.jsonl")

    assert result.exit_code == 1
    assert "delivery 1 of captions: its headers are no text" in result.stderr
    assert list(elsewhere.glob("*log.jsonl*")) == []


def test_an_export_of_no_log_is_told(typed: Run, elsewhere: Path):
    result = typed("export", "--database", f"sqlite:///{elsewhere}/nowhere.db")

    assert result.exit_code == 1
    assert "the database cannot be used" in result.stderr


def test_a_file_that_cannot_be_written_is_told(typed: Run, elsewhere: Path):
    result = typed("export", "-o", elsewhere / "no" / "such" / "folder.jsonl")

    assert result.exit_code == 1
    assert "the export cannot be written" in result.stderr


def test_an_export_to_a_pipe_goes_through_it_and_leaves_it_a_pipe(typed: Run, elsewhere: Path):
    pipe = elsewhere / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    result = typed("export", "-o", pipe)

    assert result.exit_code == 0, result.output
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert json.loads(os.read(reader, 1 << 20).splitlines()[0])
    os.close(reader)


def own_types(export: str) -> list[str]:
    lines = [json.loads(line) for line in export.splitlines()]
    return [line["type"] for line in lines if line["line"] == "event" and line["source"] == "hookfold"]


def receive(user: str, url: str | None = None) -> None:
    """A user's session begins, as the configured log or another one is told."""
    env = os.environ | ({"HOOKFOLD_DATABASE_URL": url} if url else {})
    parts = open_components(load(None, env))
    with closing(parts.log()) as log:
        body = json.dumps(start(user)).encode()
        entry = parts.door().receive("captions", [("content-type", "application/json")], body)
        assert isinstance(entry, Entry)
        log.append([entry])
    parts.engine.dispose()


def events(url: str) -> list[tuple[Any, ...]]:
    """Every row of a log: positions, clocks, keys, leaves."""
    with opened_engine(url) as engine, engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(tables.events).order_by(tables.events.c.position))]
