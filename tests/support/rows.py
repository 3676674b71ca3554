"""The rows of what a house has folded, and those that a fold of all events makes."""

from typing import Any

from sqlalchemy import text

from adapters.sql.projections.dirty_streams import DirtyStream
from adapters.sql.projections.refold import FoldedStream, Refolder
from core.folding.fold import MACHINES
from tests.support.house import House


def rows(house: House, sql: str) -> list[Any]:
    with house.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def stored(house: House) -> tuple[list[Any], list[Any]]:
    """All rows of what is folded."""
    projections = rows(house, "SELECT * FROM projections ORDER BY source, stream")
    return projections, rows(house, "SELECT * FROM measurements ORDER BY source, measurement")


def folded_whole(house: House) -> tuple[list[Any], list[Any]]:
    """What a fold of all events of each stream makes of them."""
    refolder = Refolder(house.log._dialect, house.code)
    found = rows(house, "SELECT source, stream, kind, provider_id, opened FROM streams")
    own = {name: kind.fingerprint for name, kind in MACHINES.items()}
    streams = [
        DirtyStream(source, stream, kind, name, opened, own[house.code.machine_of(source, kind).name])
        for source, stream, kind, name, opened in found
    ]
    with house.engine.connect() as connection:
        folded = [refolder.fold(one) for one in refolder.read(connection.connection.cursor(), streams)]
    good = [one for one in folded if isinstance(one, FoldedStream)]
    measured = {key: row for one in good for key, row in one.measured.items()}
    return sorted(one.row for one in good), [measured[key] for key in sorted(measured)]
