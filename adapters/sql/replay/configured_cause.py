"""Explains a difference of a replay that comes from a changed setting, not from changed code."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql.dialects.dialect import Dialect
from adapters.sql.log.own_events import OWN
from core.folding.fold import Step
from core.views.declared import Cause

MARK, SETTING = "wrong_package", "package_name"
"""The one anomaly that the configuration decides about, and the setting that it comes of."""

_CHANGES = (
    "SELECT e.position, p.body FROM events e JOIN payloads p ON p.source = e.source AND p.position = e.position "
    "WHERE e.source = ? AND e.type = 'configuration_changed' AND p.origin IS NULL ORDER BY e.position"
)

FieldChange = tuple[str, str | None, str | None]
"""What is different, what it was, and what it would be."""


class _Told(msgspec.Struct):
    """What the event of a changed configuration says."""

    changes: list[dict[str, Any]] = []


_said = msgspec.json.Decoder(_Told)


def is_configured(change: FieldChange, steps: Sequence[Step]) -> bool:
    """Whether the configuration may make this difference of a stream."""
    what, was, now = change
    if what != "anomalies":
        return False
    if was != "otherwise":
        return (MARK in (was or "")) != (MARK in (now or ""))
    return any(one.kind == MARK for step in steps for one in step.anomalies)


def configured_cause(recorded: Cause | None, steps: Sequence[Step], types: Mapping[int, str]) -> Cause | None:
    """The event that tells of the changed setting; where none does yet, the one of the stream that is judged by it."""
    if recorded is not None:
        return recorded
    for step in steps:
        for one in step.anomalies:
            if one.kind == MARK:
                return Cause(step.position, types[step.position], f"another {SETTING}", one.detail)
    first = min(types, default=None)
    return None if first is None else Cause(first, types[first], f"another {SETTING}", f"{SETTING} as it is configured")


def recorded_changes(cursor: Any, dialect: Dialect) -> dict[str, Cause]:
    """By source, the newest event that tells of another value of the setting."""
    found: dict[str, Cause] = {}
    for position, body in dialect.run(cursor, _CHANGES, OWN).fetchall():
        for change in _said.decode(body).changes if body is not None else ():
            if change.get("change") == SETTING:
                was, now = (f"{SETTING} {change.get(which) or 'not set'}" for which in ("from", "to"))
                found[change["source"]] = Cause(position, "configuration_changed", was, now)
    return found
