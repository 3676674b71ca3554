"""Settings from the environment: the file, the database and the port."""

import re
from collections.abc import Mapping
from pathlib import Path

from adapters.config.settings import ConfigError

CONFIG, DATABASE_URL, PORT = "HOOKFOLD_CONFIG", "HOOKFOLD_DATABASE_URL", "HOOKFOLD_PORT"

_LINK = re.compile(r"(tcp|udp|sctp)://.+:[0-9]+")
"""The value that Kubernetes sets as HOOKFOLD_PORT in every pod if a Service is named `hookfold`."""
_SCHEMES = ("sqlite:", "postgresql:", "postgresql+psycopg:")


def config_path(env: Mapping[str, str]) -> Path:
    """The configuration file: HOOKFOLD_CONFIG, else hookfold.toml here."""
    return Path(env.get(CONFIG) or "hookfold.toml")


def database_url(env: Mapping[str, str]) -> str:
    """HOOKFOLD_DATABASE_URL, else an SQLite file in var/. Raises ConfigError for an unknown kind of database."""
    url = env.get(DATABASE_URL) or "sqlite:///var/hookfold.db"
    if not url.startswith(_SCHEMES):
        raise ConfigError("environment", DATABASE_URL, "begin it with sqlite:/// or postgresql://")
    return url


def port(env: Mapping[str, str]) -> int:
    """HOOKFOLD_PORT, else 8400. 0 is any free port. Raises ConfigError if it is not a port.

    Ignores the value that Kubernetes sets for a Service.
    """
    text = env.get(PORT) or "8400"
    if _LINK.fullmatch(text):
        return 8400
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ConfigError("environment", PORT, "make it a number from 0 to 65535")
    return int(text)


def database_folder(url: str) -> Path | None:
    """The folder of an SQLite file; None if the database is not a file."""
    path = url.partition("?")[0].partition(":///")[2] if url.startswith("sqlite:") else ""
    return Path(path).parent if path and path != ":memory:" else None
