"""The configuration of the service's last start. Differences from it are recorded in the log."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Engine, select, text

from adapters.sql.database.tables import service
from adapters.sql.database.transactions import writing
from adapters.sql.dialects.dialect import dialect_of
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import OWN, Recorder
from core.event import Instant

TOKENS = "tokens."
"""The prefix of tokens' names here. A source's name has no dot."""

_NAME = "configuration"
_FIRST = text("INSERT INTO service (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")
_SWAP = "UPDATE service SET value = ? WHERE name = 'configuration' AND value = ? RETURNING name"
_COMPLETE = text("UPDATE service SET value = :new WHERE name = :name AND value = :old")


class Configured(msgspec.Struct, frozen=True):
    """A source or a token, as far as its changes are recorded. A token has no provider.

    `secrets` maps references to hashes keyed by the service's secret; `api_key` likewise, for the provider's API.
    `settings` has all others that are set, by name, durations in seconds; None if that start did not store them. Those
    of the service itself are under our own source's name. `secrets_at` is the time of the last change of `secrets`,
    None if unknown; it is not compared.
    """

    provider: str
    secrets: dict[str, str] = {}
    node_ascii: bool = False
    keep_for: int | None = None
    settings: Mapping[str, str | float] | None = None
    secrets_at: Instant | None = None
    api_key: dict[str, str] = {}


_sources = msgspec.json.Decoder(dict[str, Configured])


_ABSENT = Configured("", settings={})
_OURS = {OWN: Configured(OWN)}


class _Overtaken(Exception):
    """Another process recorded a change meanwhile."""


def note_configuration(
    engine: Engine, log: Log, recorder: Recorder, sources: Mapping[str, Configured]
) -> list[dict[str, Any]]:
    """Records how sources and tokens differ from the last start; returns the changes. The very first start has none."""
    while True:
        held = _held(engine, _document(sources))
        before = _noted(held)
        changes = _changes(before, sources)
        entry = recorder.entry("configuration_changed", changes=changes)
        new = _document(_dated(before, sources, entry.received_at))
        if not changes:
            _complete(engine, new, held)
            return []
        try:
            log.append_with(entry, lambda cursor, _, new=new, old=held: _swap(engine, cursor, new, old))  # type: ignore[misc]
        except _Overtaken:
            continue
        return changes


def secrets_changed(engine: Engine) -> dict[str, Instant]:
    """When the secrets of each source last changed, as far as known."""
    with engine.connect() as connection:
        held = connection.execute(select(service.c.value).where(service.c.name == _NAME)).scalar_one_or_none()
    noted = _noted(held or "{}")
    return {name: one.secrets_at for name, one in noted.items() if one.secrets_at is not None}


def _dated(before: Mapping[str, Configured], sources: Mapping[str, Configured], at: Instant) -> dict[str, Configured]:
    return {name: _dated_from(before.get(name), source, at) for name, source in sources.items()}


def _dated_from(held: Configured | None, source: Configured, at: Instant) -> Configured:
    if held is None:
        return source
    return msgspec.structs.replace(source, secrets_at=held.secrets_at if held.secrets == source.secrets else at)


def _document(sources: Mapping[str, Configured]) -> str:
    return msgspec.json.encode(dict(sorted(sources.items()))).decode()


def _noted(document: str) -> dict[str, Configured]:
    return _sources.decode(document)


def _held(engine: Engine, new: str) -> str:
    with writing(engine) as connection:
        connection.execute(_FIRST, {"name": _NAME, "value": new})
        return str(connection.execute(select(service.c.value).where(service.c.name == _NAME)).scalar_one())


def _complete(engine: Engine, new: str, old: str) -> None:
    """Stores an unchanged configuration, which may have fields that the last start did not store."""
    if new != old:
        with writing(engine) as connection:
            connection.execute(_COMPLETE, {"name": _NAME, "new": new, "old": old})


def _swap(engine: Engine, cursor: Any, new: str, old: str) -> None:
    if dialect_of(engine).run(cursor, _SWAP, new, old).fetchone() is None:
        raise _Overtaken


def _changes(old: Mapping[str, Configured], new: Mapping[str, Configured]) -> list[dict[str, Any]]:
    """Each change: the name of the source or token, what happened, and to what."""
    changes: list[dict[str, Any]] = []
    for name in sorted({*old, *new}):
        before, after = (held.get(name, _OURS.get(name)) for held in (old, new))
        kind = "token" if name.startswith(TOKENS) else "source"
        whose = {kind: name.removeprefix(TOKENS)}
        if before is None:
            changes.append({**whose, "change": f"{kind}_added"})
        if after is None:
            changes.append({**whose, "change": f"{kind}_removed"})
        changes += [{**whose, **change} for change in _changes_within(before or _ABSENT, after or _ABSENT)]
    return changes


def _changes_within(gone: Configured, come: Configured) -> Iterator[dict[str, Any]]:
    for kind, before, after in (("secret", gone.secrets, come.secrets), ("api_key", gone.api_key, come.api_key)):
        replaced = {ref for ref in before.keys() & after.keys() if before[ref] != after[ref]}
        told = {"removed": before.keys() - after.keys(), "added": after.keys() - before.keys(), "replaced": replaced}
        yield from (
            {"change": f"{kind}_{change}", "secret": ref} for change, refs in told.items() for ref in sorted(refs)
        )
    if gone.node_ascii != come.node_ascii:
        yield {"change": "node_ascii_on" if come.node_ascii else "node_ascii_off"}
    if gone.keep_for != come.keep_for:
        yield {"change": "keep_for", "from": _seconds(gone.keep_for), "seconds": _seconds(come.keep_for)}
    for setting, was, to in _others(gone, come):
        yield {"change": setting, "from": was, "to": to}


def _others(gone: Configured, come: Configured) -> Iterator[tuple[str, str | float | None, str | float | None]]:
    """The settings that differ, before and now; None if not set."""
    if gone.settings is None or come.settings is None:
        return
    for setting in sorted({*gone.settings, *come.settings}):
        before, to = gone.settings.get(setting), come.settings.get(setting)
        if to != before:
            yield setting, before, to


def _seconds(duration: int | None) -> int | None:
    return None if duration is None else duration // 1_000_000
