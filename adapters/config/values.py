"""Strict parsers of configuration values: another type is refused, never converted."""

import re
from collections.abc import Callable, Collection, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters.config.settings import ConfigError, Rate
from core.event import SECOND, Instant
from core.proofs.note import is_name

Table = dict[str, Any]
Take = Callable[[Path, str, object], Any]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_PLAIN_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_URL = re.compile(r"https?://[^\s?#\\]+")
_RATE = re.compile(r"([1-9][0-9]{0,6})/([smh])")
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?")
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_LONGEST: Instant = 36_500 * _UNITS["d"]


def table(where: Path, key: str, value: object) -> Table:
    """A TOML table."""
    if not isinstance(value, dict):
        raise ConfigError(where, key, f"make it a table: [{key}]")
    return value


def taken(where: Path, key: str, given: Table, takes: Mapping[str, Take]) -> Table:
    """The parsed values of the keys that are present."""
    return {name: take(where, f"{key}.{name}", given[name]) for name, take in takes.items() if name in given}


def only(where: Path, prefix: str, given: Table, known: Collection[str]) -> None:
    """Refuses the first unknown key."""
    for name in given:
        if name not in known:
            mend = f"unknown key: remove it, or take one of {', '.join(sorted(known))}"
            raise ConfigError(where, f"{prefix}{name}", mend)


def name(where: Path, key: str, value: str, reserved: str) -> None:
    """Refuses an invalid name of a source or token. `reserved` is our own."""
    if _NAME.fullmatch(value) is None or value == reserved:
        naming = "name it with up to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
        raise ConfigError(where, key, f"{naming}, and not {reserved}")


def text(where: Path, key: str, value: object) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigError(where, key, "make it a string that is not empty")
    return value


def origin(where: Path, key: str, value: object) -> str:
    """A log's name in checkpoints."""
    if not isinstance(value, str) or not is_name(value):
        raise ConfigError(where, key, 'make it a name without spaces and +, such as "example.com/hooks"')
    return value


def switch(where: Path, key: str, value: object) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise ConfigError(where, key, "make it true or false, without quotes")
    return value


def duration(where: Path, key: str, value: object) -> Instant:
    """A whole number with its unit (s, m, h, d), as microseconds."""
    found = duration_of(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(
            where, key, 'make it a number with its unit, such as "30s", "10m", "12h" or "2d", and at most "36500d"'
        )
    return found


def duration_of(text: str) -> Instant | None:
    """The same for a text; None if it is not a duration."""
    match = _DURATION.fullmatch(text)
    found = int(match[1]) * _UNITS[match[2]] if match else None
    return found if found is not None and found <= _LONGEST else None


def rate(where: Path, key: str, value: object) -> Rate:
    """A rate: a number, a slash, and s, m or h."""
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ConfigError(where, key, 'make it a number in a time, such as "50/s", "600/m" or "10000/h"')
    return Rate(int(found[1]), _UNITS[found[2]] // SECOND)


def networks(where: Path, key: str, value: object) -> tuple[str, ...]:
    """IP addresses or networks."""
    mend = 'list addresses or networks, such as ["127.0.0.1", "10.0.0.0/8"]'
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ConfigError(where, key, mend)
    try:
        return tuple(str(ip_network(one)) for one in value)
    except ValueError:
        raise ConfigError(where, key, mend) from None


def choice(*words: str) -> Take:
    """A parser that accepts one of these words."""

    def take(where: Path, key: str, value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ConfigError(where, key, f"make it {' or '.join(map(repr, words))}".replace("'", '"'))
        return value

    return take


def count(where: Path, key: str, value: object) -> int:
    """A number from 1 to 4096."""
    if type(value) is not int or not 1 <= value <= 4096:
        raise ConfigError(where, key, "make it a number from 1 to 4096")
    return value


def url(where: Path, key: str, value: object) -> str:
    """An http or https URL without user, query and fragment. A trailing slash is removed."""
    try:
        return handler_url(value)
    except ValueError as error:
        raise ConfigError(where, key, str(error)) from None


def base_url(where: Path, key: str, value: object) -> str:
    """The external URL: like `url`, with a path of plain names."""
    try:
        found = handler_url(value)
    except ValueError:
        found = ""
    if not found or _PLAIN_PATH.fullmatch(urlsplit(found).path) is None:
        mend = 'make it the URL that others reach this service by, such as "https://hooks.example.com/hookfold"'
        raise ConfigError(where, key, f"{mend}: without user, query and fragment, its path of A-Z a-z 0-9 . _ ~ -")
    return found


def handler_url(value: object) -> str:
    """The same for any text. Raises ValueError with what to do."""
    mend = 'make it a URL such as "http://127.0.0.1:3000", with a path if need be, without user, query and fragment'
    try:
        found = urlsplit(value) if isinstance(value, str) else None
        port = found.port if found else None
    except ValueError:
        raise ValueError(mend) from None
    plain = isinstance(value, str) and value.isascii() and _URL.fullmatch(value)
    if not plain or found is None or not found.hostname or "@" in found.netloc or port == 0:
        raise ValueError(mend)
    return str(value).rstrip("/")


def hosts(where: Path, key: str, value: object) -> tuple[str, ...]:
    """Host names in lower case. A leading `*.` matches any name below."""
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(one, str) and _HOST.fullmatch(one) for one in value)
    ):
        mend = 'list host names in lower case, without port, such as ["cloud.example.com", "*.example.org"]'
        raise ConfigError(where, key, mend)
    return tuple(value)


def size(where: Path, key: str, value: object) -> int:
    """A number of bytes from 1 KiB to 64 MiB."""
    if type(value) is not int or not 1024 <= value <= 64 * 1024 * 1024:
        raise ConfigError(where, key, "make it a number of bytes from 1024 to 67108864")
    return value


def room(where: Path, key: str, value: object) -> int:
    """A number of bytes from 1 MiB to 1 TiB."""
    if type(value) is not int or not 1 << 20 <= value <= 1 << 40:
        raise ConfigError(where, key, "make it a number of bytes from 1048576 to 1099511627776")
    return value


def folder(where: Path, key: str, value: object) -> Path:
    """A folder, relative to the configuration's."""
    return where.parent / text(where, key, value)
