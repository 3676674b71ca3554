"""Parses database URLs. Errors do not quote the URL, because it may contain a password."""

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from psycopg.pq import Conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from adapters.sql.connections.session import set_otherwise

SQLITE_OPTIONS = {"timeout": 5, "cached_statements": 512}
"""The options that a URL may set, with their defaults. `timeout` is in seconds and applies to locks."""

_FORMS = "sqlite:///FILE or postgresql://USER@HOST/NAME"


class WrongAddress(ValueError):
    """The URL names no supported database. The message says how to correct it."""


def address(url: str) -> URL:
    """Parses the URL. Raises WrongAddress."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise WrongAddress(f"this is no URL of a database: write {_FORMS}") from error
    match parsed.get_backend_name():
        case "sqlite":
            _check_file(parsed)
            _check_options(parsed, "SQLite", SQLITE_OPTIONS)
        case "postgresql":
            known = {option.keyword.decode() for option in Conninfo.get_defaults()}
            _check_options(parsed, "PostgreSQL", known - {"replication"})
            for name in set_otherwise(parsed):
                raise WrongAddress(f"Hookfold sets {name} itself and relies on it: remove it from the URL")
        case name:
            raise WrongAddress(f"{name}:// is no database that Hookfold knows: write {_FORMS}")
    return parsed


def database_name(url: str) -> str:
    """The file or the server and database of a URL, for a log line: without its user, password and options."""
    parsed = address(url)
    if parsed.get_backend_name() == "sqlite":
        return str(Path(parsed.database or "").absolute())
    hosts = parsed.host or parsed.query.get("host", "")
    server = hosts if isinstance(hosts, str) else ",".join(hosts)
    return f"postgresql://{server}{f':{parsed.port}' if parsed.port else ''}/{parsed.database or ''}"


def _check_file(parsed: URL) -> None:
    if parsed.host:
        file = "/".join(part for part in (parsed.host, parsed.database) if part)
        raise WrongAddress(f"write sqlite:///{file}, with three slashes, or four before a path from the root")
    if parsed.database in {None, "", ":memory:"}:
        raise WrongAddress("name a file, such as sqlite:///var/hookfold.db: a log in memory is lost")


def _check_options(parsed: URL, database: str, known: Collection[str]) -> None:
    for name in parsed.query:
        if name not in known:
            near = get_close_matches(name, known, 1)
            mend = f"write {near[0]}" if near else "remove it"
            raise WrongAddress(f"{database} knows no option {name}: {mend}")
