"""A header's name that is none: its delivery is refused and on record, and not to be sent again for ever."""

from collections.abc import Iterator

import pytest

from adapters.http import Door
from adapters.sql import Rejection
from core.event import Headers
from core.header_codec import unpack
from core.headers import from_lines
from tests.support.house import NOON, House


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    yield house
    house.close()


@pytest.mark.parametrize("name", ["x:y", " x", "x\ny"])
@pytest.mark.parametrize("body", [b"{}", b"more than is taken"])
def test_a_name_that_is_none_is_refused_and_the_refusal_is_on_record(house: House, name: str, body: bytes):
    door = Door(house.providers, 8, lambda: NOON)
    headers: Headers = [("host", "a:80"), (name, "value")]

    item = door.receive("clinic", headers, body) if len(body) < 8 else door.refuse_size("clinic", headers, len(body))
    (receipt,) = house.log.append([item])

    assert isinstance(item, Rejection)
    assert (item.status, item.reason) in {(400, "header_name"), (413, "too_large")}
    assert receipt.verdict == "rejected"
    with house.engine.connect() as connection:
        (kept,) = connection.exec_driver_sql("SELECT headers FROM deliveries").scalars()
    assert from_lines(unpack(bytes(kept))) == [("host", "a:80")]
