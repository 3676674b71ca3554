"""Settings of a PostgreSQL session. We set what we rely on, since environment, role, database and server have defaults.

Parameters in the URL override our deadlines and the environment.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from psycopg.pq import Conninfo
from sqlalchemy import URL

from adapters.sql.database.exceptions import Unavailable

RELIED_ON: Mapping[str, str] = {
    "client_encoding": "UTF8",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "bytea_output": "hex",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
}
"""Set by a statement when a session begins, because some environment variables override `options`."""

_OPTIONS = "-c statement_timeout=0 -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
_READ_ONLY = "-c default_transaction_read_only=on"

_DEADLINES = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "tcp_user_timeout": 20_000,
}
"""In seconds, the last one in milliseconds. A server that is cut off is noticed instead of waited for."""

_SWITCH = re.compile(r"(?:^|\s)(?:-c\s*|--)((?:\\.|[^\s=\\])+)")

_SETTINGS = ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in RELIED_ON.items())
_BEGIN = (
    "SELECT pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('session_replication_role'), "
    "pg_catalog.current_setting('search_path'), coalesce((SELECT n.nspname FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace "
    "WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('alembic_version')), pg_catalog.current_schema()), "
    f"{_SETTINGS}"
)
_STAY = "SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(%s), false)"


class Unfit(Unavailable):
    """The database is reachable, but its settings make it unusable for a log. The message says what to change."""


def arguments(url: URL, *, name: str, read_only: bool = False) -> dict[str, Any]:
    """The driver's arguments besides the URL. With `read_only`, the server refuses statements that write.

    `name` is the session's `application_name`, unless the URL or the environment gives one.
    """
    said = {option.keyword.decode(): option.val for option in Conninfo.get_defaults() if option.val != option.compiled}
    options = _words(url.query.get("options")) or (said.get("options") or b"").decode()
    # The server lets the driver's name win over one in the options, so we give none beside it.
    named = {} if "application_name" in _set_by(options) else {"fallback_application_name": name}
    defaults = {**named, **_DEADLINES}
    ours_unless_said = {key: value for key, value in defaults.items() if key not in {*url.query, *said}}
    ours = f"{_OPTIONS} {_READ_ONLY}" if read_only else _OPTIONS
    return {**ours_unless_said, "client_encoding": "UTF8", "options": f"{ours} {options}".strip()}


def set_otherwise(url: URL) -> Iterator[str]:
    """The settings in RELIED_ON that the URL overrides."""
    yield from (name for name in url.query if name.lower() in RELIED_ON)
    yield from (name for name in _set_by(_words(url.query.get("options"))) if name in RELIED_ON)


def _set_by(options: str) -> list[str]:
    """The names of the settings in command-line options of the server."""
    return [name.replace("\\", "").replace("-", "_").lower() for name in _SWITCH.findall(options)]


def _words(said: str | tuple[str, ...] | None) -> str:
    return said if isinstance(said, str) else " ".join(said or ())


def begin(connection: Any, _record: object) -> None:
    """Configures a new connection. Raises Unfit."""
    try:
        _begin(connection)
    except BaseException:
        connection.close()
        raise


def _begin(connection: Any) -> None:
    """Fixes the session's schema to that of the log, or the one where the log would be created, whatever others create
    later.
    """
    encoding, role, path, schema, *_ = connection.execute(_BEGIN).fetchone()
    if encoding != "UTF8":
        raise Unfit(f"its encoding is {encoding}: make one with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'")
    if role != "origin":
        raise Unfit(f"session_replication_role is {role}, under which triggers do not guard the log: reset it")
    if schema is None:
        raise Unfit(
            f"its search_path is {path}, and this role may use no schema of that name: make it, or name another by "
            "ALTER ROLE … SET search_path, or in the URL by options=-csearch_path=…"
        )
    connection.execute(_STAY, (schema,))
    connection.commit()
