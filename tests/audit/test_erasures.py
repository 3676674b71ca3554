"""What is gone has to be told of, and what tells of it has to be there: found at the first payload that is not."""

from typing import Any

import pytest
from sqlalchemy import select, update

from adapters.sql.audit import verify
from adapters.sql.database.tables import events, payloads
from core.header_codec import unpack
from core.proofs.leaf import Columns, commitment, leaf
from tests.support.audited import Audited
from tests.support.logs import wms

FIRST, TELLS = 3, 5
"""Positions: of the first payload that is erased, and of the event that tells of it."""


@pytest.fixture
def erased(audited: Audited) -> Audited:
    """Two events that stay, two that are erased, and the event that tells; nothing refuses a change."""
    audited.log.append([audited.entry("clinic", wms(name, at)) for name in ("stays", "gone") for at in range(2)])
    audited.erase(audited.stream("session", "clinic", "gone"))
    audited.drop_triggers()
    assert audited.rows("SELECT position, erased FROM payloads WHERE erased IS NOT NULL ORDER BY 1") == [(3, 5), (4, 5)]
    assert audited.verify().wrong is None
    return audited


def test_an_event_that_tells_of_an_erasure_and_is_emptied_itself_tells_of_nothing(erased: Audited):
    payload = _row(erased, payloads)
    gone = {"headers": None, "body": None, "salt": None, "erased": TELLS + 1}

    _change(erased, payloads, **gone, commitment=commitment(payload.salt, unpack(payload.headers), payload.body))

    assert _wrong(erased) == (FIRST, "payload")


@pytest.mark.parametrize("body", [b"", b"{", b'{"streams":1}', b'{"streams":["\xff"]}', b"{}"])
def test_an_event_that_was_forged_so_that_it_cannot_be_read_tells_of_nothing(erased: Audited, body: bytes):
    payload, event = _row(erased, payloads), _row(erased, events)
    sealed = commitment(payload.salt, unpack(payload.headers), body).hex()
    columns = event._asdict() | {"key": event.key.hex(), "commitment": sealed}
    forged = Columns(**{name: columns[name] for name in Columns.__struct_fields__})

    _change(erased, payloads, body=body)
    _change(erased, events, leaf=leaf(forged))

    assert _wrong(erased) == (FIRST, "payload")


def test_erasures_are_looked_at_a_chunk_at_a_time_and_the_first_that_is_untold_is_named(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(verify, "CHUNK", 3)
    audited.log.append([audited.entry("clinic", wms(f"s{at % 2}", at)) for at in range(8)])
    audited.erase(audited.stream("session", "clinic", "s1"))
    audited.erase(audited.stream("session", "clinic", "s0"))
    sound = audited.verify()

    exchange = "UPDATE payloads SET erased = 19 - erased WHERE position = {}"
    audited.tamper(exchange.format(4), exchange.format(5))

    assert (sound.wrong, sound.erased) == (None, 8)
    assert _wrong(audited) == (4, "payload")


def _row(log: Audited, table: Any) -> Any:
    with log.engine.connect() as connection:
        return connection.execute(select(table).where(table.c.position == TELLS)).one()


def _change(log: Audited, table: Any, **values: Any) -> None:
    with log.engine.begin() as connection:
        connection.execute(update(table).where(table.c.position == TELLS).values(**values))


def _wrong(log: Audited) -> tuple[int, str]:
    wrong = log.verify().wrong
    assert wrong is not None
    return wrong.position, wrong.what
