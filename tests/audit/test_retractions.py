"""What the fold skips has to be told of by an event that can be read; where an import left that out, it stands."""

from typing import Any

import pytest
from sqlalchemy import select, update

from adapters.sql.database.tables import events, payloads
from core.header_codec import unpack
from core.proofs.leaf import Columns, commitment, leaf
from tests.support.audited import Audited
from tests.support.logs import wms

LIE, TELLS = 2, 3
"""Positions: of the event that is retracted, and of the one that tells of it."""


@pytest.fixture
def retracted(audited: Audited) -> Audited:
    """Two events and the retraction of one; nothing refuses a change."""
    audited.log.append([audited.entry("clinic", wms("scan", at)) for at in range(LIE)])
    audited.retractor.retract(LIE, "forged")
    audited.drop_triggers()
    assert audited.verify().wrong is None
    return audited


@pytest.mark.parametrize("body", [b"", b"{", b'{"position":"2"}', b'{"position":\xff}', b"{}", b'{"position":1}'])
def test_an_event_that_was_forged_so_that_it_tells_of_nothing_is_found(retracted: Audited, body: bytes):
    forge(retracted, body=body)

    wrong = retracted.verify().wrong

    assert wrong is not None
    assert (wrong.what, wrong.position) == ("retraction", 1 if body == b'{"position":1}' else LIE)


def test_a_placeholder_of_an_import_says_nothing_against_a_retraction(retracted: Audited):
    forge(retracted, type="left_out", body=b'{"type":"left_out"}')

    assert retracted.verify().wrong is None


def forge(log: Audited, body: bytes, **columns: Any) -> None:
    """Another body, and a leaf that fits it."""
    held, payload = row(log, events)._asdict() | columns, row(log, payloads)
    held |= {"key": held["key"].hex(), "commitment": commitment(payload.salt, unpack(payload.headers), body).hex()}
    fitting = leaf(Columns(**{name: held[name] for name in Columns.__struct_fields__}))
    with log.engine.begin() as connection:
        connection.execute(update(payloads).where(payloads.c.position == TELLS).values(body=body))
        connection.execute(update(events).where(events.c.position == TELLS).values(leaf=fitting, **columns))


def row(log: Audited, table: Any) -> Any:
    with log.engine.connect() as connection:
        return connection.execute(select(table).where(table.c.position == TELLS)).one()
