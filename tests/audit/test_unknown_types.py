r"""A type that no machine knows is in no leaf: it has to be what the body says, in the form of today or the old one.

The old form left a backslash as it was where today's writes `\u005c`.
"""

import pytest
from sqlalchemy import update

from adapters.sql.database.tables import payloads
from tests.support.audited import Audited
from tests.support.logs import wms

SENT, OLD, TODAY = r"NEW\u0000", r"NEW\u0000", r"NEW\u005cu0000"


@pytest.fixture
def unknown(audited: Audited) -> Audited:
    """One event of an unknown type, which nothing keeps from being changed."""
    audited.log.append([audited.entry("clinic", wms("scan", 0, SENT))])
    assert audited.rows("SELECT type FROM payloads") == [(TODAY,)]
    audited.drop_triggers()
    return audited


@pytest.mark.parametrize("stored", [TODAY, OLD])
def test_the_type_that_an_earlier_build_wrote_is_taken(unknown: Audited, stored: str):
    change(unknown, stored)

    assert unknown.verify().wrong is None


@pytest.mark.parametrize("stored", ["NEW", r"NEW\u005c", ""])
def test_another_type_is_found(unknown: Audited, stored: str):
    change(unknown, stored)

    wrong = unknown.verify().wrong

    assert wrong is not None
    assert (wrong.what, wrong.position) == ("payload", 1)


def change(log: Audited, stored: str) -> None:
    with log.engine.begin() as connection:
        connection.execute(update(payloads).values(type=stored))
