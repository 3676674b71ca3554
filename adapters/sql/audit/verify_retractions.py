"""Verifies that the fold skips exactly those events whose retraction is recorded by an event of ours."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from adapters.sql.audit.discrepancy import DiscrepancyFound
from adapters.sql.database.joins import WITH_PAYLOAD
from adapters.sql.log.own_events import OWN

_SKIPPED = text(
    "SELECT r.position, r.retraction, e.position FROM retractions r "
    "LEFT JOIN events e ON e.source = r.source AND e.position = r.position "
    "WHERE r.retraction <= :head ORDER BY r.position"
)
_TELLING = text(
    f"SELECT e.position, e.type, p.body FROM events e {WITH_PAYLOAD} "
    "WHERE e.source = :own AND e.type IN ('retracted', 'left_out') AND e.position <= :head AND p.origin IS NULL"
)


class _Told(msgspec.Struct):
    """What the event of a retraction says."""

    position: int


_said = msgspec.json.Decoder(_Told)


def check_retractions(connection: Connection, head: int) -> None:
    """Raises DiscrepancyFound for the first event that is skipped without such a record, or the other way round.

    If an import left the record out, there is only a placeholder, and the retraction is accepted.
    """
    asked = {"own": OWN, "head": head}
    told = dict(_told(connection.execute(_TELLING, asked).all()))
    skipped = {position: (at, there) for position, at, there in connection.execute(_SKIPPED, asked)}
    wrong = [*_untold(skipped, told), *_unskipped(skipped, told)]
    if wrong:
        position, why = min(wrong)
        raise DiscrepancyFound(position, "retraction", why)


def _untold(skipped: dict[int, Any], told: dict[int, int | None]) -> Iterator[tuple[int, str]]:
    for position, (at, there) in skipped.items():
        if there is None or at not in told or at <= position or told[at] not in (position, None):
            yield position, "it is retracted, and no event tells of that"


def _unskipped(skipped: dict[int, Any], told: dict[int, int | None]) -> Iterator[tuple[int, str]]:
    for at, position in told.items():
        if position is not None and skipped.get(position, (None,))[0] != at:
            yield position, f"the event at position {at} retracts it, and it is not retracted"


def _told(rows: Sequence[Any]) -> Iterator[tuple[int, int | None]]:
    """(position, retracted position or None for a placeholder) of each readable event."""
    for at, kind, body in rows:
        if kind == "left_out":
            yield at, None
        elif body is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                yield at, _said.decode(body).position
