"""A log that an earlier release filled is brought to the newest revision: it goes on, and says what it said.

The logs were recorded by the code of their time (`record.py`), each at a revision of its own.
"""

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner, Result
from sqlalchemy import Connection, LargeBinary, MetaData

from adapters.cli import command_line
from adapters.config import load
from adapters.providers import sign_wms
from adapters.sql import GroupCommit, migrate, open_engine, revision
from adapters.sql.connections.revisions import MIGRATIONS, upgrade
from adapters.sql.database.transactions import writing
from app import commands
from tests.support.service import SECRETS, WMS_SECRET
from tests.upgrade.record import ASKED, KEYS, LOGS, WHOLE, compared, step
from wiring.opening import open_components

FIRST = "0005"
"""The first revision whose logs this release takes."""

REVISIONS = sorted(path.name.removesuffix(".json.gz") for path in LOGS.glob("*.json.gz"))

DEEPER = {"anomalies", "counts", "data", "runs"}
"""What a release keeps of a stream beyond its state; a later one may keep more of it."""


def restore(connection: Connection, tables: dict[str, Any]) -> None:
    """Puts the rows of a log into its tables, which are empty but for what the migrations made."""
    known = MetaData()
    known.reflect(connection)
    connection.execute(known.tables["service"].delete())
    for name, (columns, rows) in tables.items():
        table = known.tables[name]
        held = [dict(zip(columns, map(_value, row), strict=True)) for row in rows]
        held.sort(key=lambda row: row.get("position") or 0)  # the log takes no event behind a later one
        if held:
            connection.execute(table.insert(), held)
        assert set(columns) == set(table.columns.keys())
        assert all(isinstance(table.c[at].type, LargeBinary) for at in _binary(columns, rows))


def _value(held: Any) -> Any:
    return bytes.fromhex(held["hex"]) if isinstance(held, dict) else held


def _binary(columns: list[str], rows: list[list[Any]]) -> set[str]:
    return {column for row in rows for column, value in zip(columns, row, strict=True) if isinstance(value, dict)}


class Upgraded:
    """A service of this release over a log that an earlier one filled. `told`: what that one told of it."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.parts = open_components(load(None, os.environ))
        self.log = self.parts.log()
        self._client = self.parts.flask(self.parts.door(), GroupCommit(self.log.commit).append).test_client()

    def tell(self) -> dict[str, Any]:
        """The same questions as were put to the release that recorded the log."""
        asked = {name: self._client.get(f"/v1/{name}?limit=100").get_json() for name in ASKED}
        return {name: compared(name, answer["data"]) for name, answer in asked.items()}

    def receive(self, document: dict[str, Any]) -> tuple[int, str]:
        """What a delivery is answered with."""
        body = json.dumps(document).encode()
        answer = self._client.post("/in/clinic", data=body, headers=dict(sign_wms(WMS_SECRET, body)))
        return answer.status_code, answer.headers["Hookfold-Verdict"]

    def close(self) -> None:
        self.log.close()
        self.parts.close()


OLD = [*((name, "sqlite") for name in REVISIONS), *((name, "postgresql") for name in REVISIONS[::4])]
"""Each migration with data in front of it on both databases, each log on one of them."""


@pytest.fixture(params=OLD, ids="-".join)
def upgraded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgraded]:
    """A log that was at an earlier revision until this release was started over it."""
    name, backend = request.param
    url = str(request.getfixturevalue(f"empty_{backend}_url"))
    held: dict[str, Any] = json.loads(gzip.decompress((LOGS / f"{name}.json.gz").read_bytes()))
    engine = open_engine(url)
    with writing(engine) as connection:
        upgrade(connection, name)
        restore(connection, held["tables"])
    engine.dispose()
    (tmp_path / "hookfold.toml").write_text(WHOLE)
    given = {"HOOKFOLD_CONFIG": str(tmp_path / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url}
    for name, value in (SECRETS | KEYS | given).items():
        monkeypatch.setenv(name, value)
    made = Upgraded(held["told"])
    yield made
    made.close()


def typed(*words: str) -> Result:
    return CliRunner().invoke(command_line(commands()), words)


def difference() -> list[dict[str, Any]]:
    """What `hookfold replay diff` says that this release would change."""
    changes: list[dict[str, Any]] = json.loads(typed("replay", "diff", "--json").stdout)["changes"]
    return changes


def test_a_log_of_an_earlier_release_goes_on_in_this_one(upgraded: Upgraded):
    assert upgraded.tell() == upgraded.told, "as it stands, folded from the log where that has to be"
    assert {change["what"] for change in difference()} <= DEEPER

    assert typed("replay", "run").exit_code == 0

    assert upgraded.tell() == upgraded.told, "as the code of this release folded it"
    assert difference() == []
    assert upgraded.receive(step("visit-1", 0, "WMS_LOADED", {})) == (200, "duplicate")
    assert upgraded.receive(step("visit-new", 0, "WMS_LOADED", {})) == (200, "new")
    assert ["visit-new", "clinic", "loaded", None, 1, None] in upgraded.tell()["sessions"]
    upgraded.parts.signer().checkpoint()
    verified = typed("audit", "verify")
    assert verified.exit_code == 0, verified.output


def test_the_newest_revision_is_told_by_the_name_of_its_file(database_url: str):
    engine = open_engine(database_url)

    told = revision(engine)

    engine.dispose()
    assert told == (ScriptDirectory(str(MIGRATIONS)).get_current_head(),) * 2


def test_a_database_at_the_newest_revision_is_opened_without_alembic(
    database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "alembic", None)

    engine = open_engine(database_url)
    migrate(engine)

    current, newest = revision(engine)
    engine.dispose()
    assert current == newest


def test_every_revision_but_the_newest_has_a_log():
    made = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))

    without = {name for name in made if name >= FIRST} - {name[:4] for name in REVISIONS}
    assert without <= {made[-1]}, "record one with the code before the migration: python -m tests.upgrade.record FOLDER"
