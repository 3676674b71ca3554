"""The database is there and does not do its work, and then does: nobody has to help, and `/readyz` names the cause."""

from collections.abc import Iterator
from itertools import count

import psycopg
import pytest

from tests.faults.test_connections_lost import TERMINATE
from tests.faults.test_database_away import Both, await_
from tests.support.postgres import Postgres
from tests.support.service import Service, running

ROLE = "unwilling"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own: roles are a whole server's."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="module")
def admin(server: Postgres) -> Iterator[psycopg.Connection]:
    """The operator of a database that belongs to a role without any other right."""
    with psycopg.connect(server.url(server.create()), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {ROLE} LOGIN")
        admin.execute(f"ALTER SCHEMA public OWNER TO {ROLE}")
        yield admin


@pytest.fixture(scope="module")
def service(server: Postgres, admin: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = server.url(admin.info.dbname).replace("postgres@", f"{ROLE}@")
    with running(url, tmp_path_factory.mktemp("unwilling")) as service:
        yield service


FAULTS = {
    "read-only transaction": (
        "ALTER DATABASE {db} SET default_transaction_read_only = on",
        "ALTER DATABASE {db} RESET default_transaction_read_only",
    ),
    "permission denied for table events": (f"REVOKE INSERT ON events FROM {ROLE}", f"GRANT INSERT ON events TO {ROLE}"),
    "permission denied for table": (
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ROLE}",
    ),
    "too many connections for role": (
        f"ALTER ROLE {ROLE} CONNECTION LIMIT 0",
        f"ALTER ROLE {ROLE} CONNECTION LIMIT -1",
    ),
    "not permitted to log in": (f"ALTER ROLE {ROLE} NOLOGIN", f"ALTER ROLE {ROLE} LOGIN"),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_database_that_refuses_its_work_for_a_while(service: Service, admin: psycopg.Connection, cause: str):
    spoil, mend = (statement.format(db=admin.info.dbname).encode() for statement in FAULTS[cause])
    log, numbers = Both([service]), count()
    log.await_recovery(f"before {cause}")

    admin.execute(spoil)
    admin.execute(TERMINATE)
    await_(lambda: log.deliver(cause, next(numbers)) == [503])
    await_(lambda: cause in service.send("GET", "/readyz").json.get("detail", ""))
    admin.execute(mend)

    log.await_recovery(f"after {cause}")
    assert [log.deliver(cause, next(numbers)) for _ in range(16)] == [[200]] * 16
    await_(lambda: _unsealed(admin) < 16)
    assert set(log.acknowledged) <= set(log.everything())


_FULL = """
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE '{cause}' USING ERRCODE = 'disk_full', HINT = 'Check free disk space.'; END $$;
CREATE {trigger} ON payloads {when} FOR EACH ROW EXECUTE FUNCTION fill()
"""
"""A full disk as PostgreSQL tells of it: to make a real one takes the rights of root."""

FULL = {
    'could not extend file "base/5/16402": No space left on device': ("TRIGGER fill BEFORE INSERT", ""),
    'could not write to file "pg_wal/xlogtemp.7": No space left on device': (
        "CONSTRAINT TRIGGER fill AFTER INSERT",
        "DEFERRABLE INITIALLY DEFERRED",
    ),
}
"""As a row is written, and at the commit."""


@pytest.mark.parametrize("cause", FULL)
def test_a_database_whose_disk_is_full_for_a_while(service: Service, admin: psycopg.Connection, cause: str):
    log, name = Both([service]), f"full-{len(cause)}"
    log.await_recovery(f"before {name}")
    trigger, when = FULL[cause]

    admin.execute(_FULL.format(cause=cause, trigger=trigger, when=when).encode())
    refused = [log.deliver(name, number) for number in range(8)]
    await_(lambda: cause in service.send("GET", "/readyz").json.get("detail", ""))
    acknowledged, meanwhile = set(log.acknowledged), set(log.everything())
    admin.execute("DROP FUNCTION fill CASCADE")

    log.await_recovery(f"after {name}")
    assert refused == [[503]] * 8
    assert acknowledged <= meanwhile
    assert [log.deliver(name, number) for number in range(8)] == [[200]] * 8
    assert set(log.acknowledged) <= set(log.everything())
    assert len(log.acknowledged) == len(set(log.acknowledged))


def _unsealed(admin: psycopg.Connection) -> int:
    """Events behind the last node of the tree, of which there is one for 16 of them."""
    row = admin.execute("SELECT max(position) - (SELECT 16 * (max(place) + 1) FROM nodes WHERE level = 4) FROM events")
    return int((row.fetchone() or (16,))[0] or 16)
