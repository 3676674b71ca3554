"""A page of a list looks at a bounded number of rows, whatever the filters leave of them, and leads on."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from adapters.sql.queries import streams
from tests.support.house import House, wms


@pytest.fixture
def house(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Seven sessions with a measurement each, of which the first one alone was given up; a page looks at three."""
    monkeypatch.setattr(streams, "EXAMINED", 3)
    with closing(House(database_url)) as house:
        for number in range(7):
            house.send("clinic", wms(f"s-{number}", 0, "MEASUREMENT_STARTED"))
        house.send("clinic", wms("s-0", 1, "MEASUREMENT_CANCELED"))
        yield house


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/measurements"])
def test_what_is_rare_is_found_page_by_page(house: House, path: str):
    rare = [[one["session_id"] for one in page] for page in house.walk(path, state="canceled")]
    others = [[one["session_id"] for one in page] for page in house.walk(path, state="started", limit=2)]

    assert rare == [[], [], ["s-0"]]
    assert others == [["s-6", "s-5"], ["s-4", "s-3"], ["s-2", "s-1"], []]


def test_what_an_index_finds_is_found_at_once(house: House):
    (canceled,) = house.get("/v1/sessions", session_id="s-0", state="canceled")["data"]

    assert canceled["session_id"] == "s-0"
    assert len(house.get("/v1/sessions")["data"]) == 7
