"""Our ids are found by their beginnings."""

from typing import Any

import pytest
from sqlalchemy import insert

from adapters.sql import LimitedReads
from adapters.sql.database import tables
from tests.support.house import House, pushed, start, wms


def filled(house: House) -> None:
    house.send("clinic", wms("visit-1", 0, "MEASUREMENT_STARTED"))
    house.send("clinic", wms("visit-1", 1, "MEASUREMENT_CREATED", 1, measurementId="m-1"))
    house.send("captions", start("ann@example.com"))
    house.send("energy", pushed("a-1"), key="1")


@pytest.mark.parametrize("kind", ["session", "measurement", "action", "device"])
def test_an_id_is_found_by_8_characters_behind_its_prefix(house: House, kind: str):
    filled(house)

    for one in house.get(f"/v1/{kind}s")["data"]:
        told = {"id": one["id"], "kind": kind, "source": one["source"], "provider": one["provider"]}
        for beginning in (one["id"][:12], one["id"][:20], one["id"]):
            assert house.get(f"/v1/ids/{beginning}") == {"data": [told], "next_cursor": None}
        other = f"{one['id'][:11]}{'a' if one['id'][11] != 'a' else 'b'}"
        assert house.get(f"/v1/ids/{other}")["data"] == []


@pytest.mark.parametrize(
    "beginning", ["ses_", "ses_aaaaaaa", "SES_AAAAAAAA", "ses_aaaaaaa1", "xyz_aaaaaaaa", "ses_aaaaaaa_"]
)
def test_what_begins_no_id_of_ours_is_not_found(one_house: House, beginning: str):
    assert "at least 8 characters" in one_house.problem(f"/v1/ids/{beginning}", 404)["detail"]


def test_ids_that_begin_alike_are_told_in_their_order_page_by_page(house: House):
    alike = [f"ses_aaaaaaaa{letter * 18}" for letter in "2bcz"]
    with house.engine.begin() as connection:
        for number, name in enumerate(alike):
            source = "energy" if number % 2 else "clinic"
            connection.execute(insert(tables.streams).values(source=source, stream=name, kind="session", opened=number))

    pages = list(house.walk("/v1/ids/ses_aaaaaaaa", limit=3))

    assert [[one["id"] for one in page] for page in pages] == [alike[:3], alike[3:]]


def test_ids_of_other_sources_are_not_told_to_a_reader_of_some(house: House):
    filled(house)
    (session,) = house.get("/v1/sessions", source="clinic")["data"]

    def found(*only: str) -> list[Any]:
        return LimitedReads(house.api.reads, frozenset(only)).ids_beginning(session["id"][:12], ["clinic"], "", 9)

    assert (found("captions"), len(found("clinic"))) == ([], 1)
