"""The services registered on a log: their releases, their machines' fingerprints, and when each was last seen."""

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert
from adapters.sql.projections.versions import Version, own_version, serving
from core.event import SECOND, Instant
from core.states.state import StateMachine

EVERY = 15.0
"""Seconds between two heartbeats."""

ALIVE: Instant = 60 * SECOND
"""A service without a heartbeat for longer counts as dead."""

KEPT = 100
"""The most services on record, the newest ones. Ended services still show which release had which code."""

_SERVICES = Insert.upsert(tables.services, keep=("started_at",))
_COLUMNS = ", ".join(_SERVICES.names)
_ALL = f"SELECT {_COLUMNS} FROM services"
_PRUNE = (
    f"DELETE FROM services WHERE seen_at < (SELECT seen_at FROM services ORDER BY seen_at DESC LIMIT 1 OFFSET {KEPT})"
)


class RegisteredService(msgspec.Struct, kw_only=True):
    """A service. `name` is pid@host, `code` maps its machines to fingerprints, `ended_at` is set if it was stopped."""

    name: str
    release: str
    code: dict[str, str]
    started_at: Instant
    seen_at: Instant
    ended_at: Instant | None = None

    def is_alive(self, now: Instant) -> bool:
        return self.ended_at is None and now - self.seen_at <= ALIVE


class Answering(msgspec.Struct, kw_only=True):
    """The version that a live service reads for one machine. `serves`: this is the serving version.

    `version` is None if the service's code no longer has one. `releases` are those known to have the serving version.
    """

    service: str
    release: str
    machine: str
    version: str | None
    status: str | None
    serves: bool
    releases: list[str]


def own_service(release: str, machines: Mapping[str, StateMachine], now: Instant) -> RegisteredService:
    """The record of this process."""
    code = {name: kind.fingerprint for name, kind in machines.items()}
    return RegisteredService(
        name=f"{os.getpid()}@{socket.gethostname()}", release=release, code=code, started_at=now, seen_at=now
    )


def note(cursor: Any, dialect: Dialect, service: RegisteredService) -> None:
    """Records a heartbeat and deletes the oldest services."""
    row = msgspec.structs.asdict(service) | {"code": msgspec.json.encode(service.code).decode()}
    dialect.insert(cursor, _SERVICES, [tuple(row.values())])
    cursor.execute(_PRUNE)


def services(cursor: Any) -> list[RegisteredService]:
    """All recorded services, the most recently seen first."""
    cursor.execute(_ALL)
    names = _SERVICES.names
    rows = (dict(zip(names, row, strict=True)) for row in cursor.fetchall())
    found = [RegisteredService(**(row | {"code": msgspec.json.decode(row["code"])})) for row in rows]
    return sorted(found, key=lambda one: (-one.seen_at, one.name))


def answering(found: Sequence[RegisteredService], versions: Iterable[Version], now: Instant) -> list[Answering]:
    """The version that each live service reads, by machine."""
    every = list(versions)
    living = [one for one in found if one.is_alive(now)]
    return [_answering(one, machine, found, every) for one in living for machine in sorted(one.code)]


def releases_of(fingerprint: str, found: Iterable[RegisteredService]) -> list[str]:
    """The releases of the recorded services with this fingerprint."""
    return sorted({one.release for one in found if fingerprint in one.code.values()})


def _answering(
    one: RegisteredService, machine: str, found: Sequence[RegisteredService], versions: Sequence[Version]
) -> Answering:
    own, serves = own_version(versions, machine, one.code[machine]), serving(versions, machine)
    return Answering(
        service=one.name,
        release=one.release,
        machine=machine,
        version=own.version if own else None,
        status=own.status if own else None,
        serves=own is not None and own is serves,
        releases=releases_of(serves.fingerprint, found) if serves else [],
    )
