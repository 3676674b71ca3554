"""Strings from outside: inert wherever they are shown, and found again by exactly what was sent."""

from collections.abc import Iterator

import pytest

from tests.support.house import House, pushed, wms

IDS = [
    *("..", "a/b", "%2F", "%252e", "😀", "\u202eabc", "é", "e\u0301", "a b", "a+b", "a&b=c", "#", "?", "x" * 512),
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "{{7*7}}", "${7*7}"),
    *("' OR '1'='1", "a\r\nSet-Cookie: x", "\x1b[31m", "\u2028", "=cmd|' /C calc'!A0", "\t", " ", "%", "_", "\\"),
]


@pytest.fixture(scope="module")
def all_ids(shared_database_url: str) -> Iterator[House]:
    """A house that has them all."""
    house = House(shared_database_url)
    for number, name in enumerate(IDS):
        house.send("clinic", wms(name, 0))
        house.send("clinic", wms(f"{name}-", 0))
        house.send("clinic", wms(f"scan {number}", 0, "MEASUREMENT_CREATED", measurementId=name))
        house.send("energy", pushed(name, name), key=f"m-{number}")
    yield house
    house.close()


@pytest.mark.parametrize("name", IDS)
def test_every_stored_id_can_be_fetched_again_and_no_other_one_comes_with_it(all_ids: House, name):
    (session,) = all_ids.get("/v1/sessions", session_id=name)["data"]

    assert session["session_id"] == name
    assert all_ids.get(f"/v1/sessions/{session['id']}")["session_id"] == name
    assert [event["session_id"] for event in all_ids.get("/v1/events", session_id=name)["data"]] == [name]


@pytest.mark.parametrize("name", IDS)
def test_every_stored_measurement_and_action_too(all_ids: House, name):
    (measurement,) = all_ids.get("/v1/measurements", measurement_id=name)["data"]
    (action,) = all_ids.get("/v1/actions", action_id=name, device_id=name)["data"]

    assert (measurement["measurement_id"], action["action_id"], action["device_id"]) == (name, name, name)


def test_two_normal_forms_of_one_text_are_two_sessions(house: House):
    house.send("clinic", wms("é", 0))
    house.send("clinic", wms("e\u0301", 0))

    assert len(house.get("/v1/sessions")["data"]) == 2
    assert len(house.get("/v1/sessions", session_id="é")["data"]) == 1


def test_nul_and_lone_surrogates_in_other_strings_are_told_escaped(house: House):
    house.send(
        "clinic",
        b'{"timestamp":1700000000,"sessionId":"s","sequence":0,"event":"LOW_SNR","payload":{"details":"a\\u0000\\ud800"}}',
    )

    (session,) = house.get("/v1/sessions")["data"]

    assert session["data"]["details"] == "a\\u0000\\ud800"


def test_a_cursor_on_hostile_filters_goes_on(house: House):
    for number in range(3):
        house.send("energy", pushed(f"a-{number}", "'; DROP TABLE events; --\u2028"), key=f"m-{number}")

    pages = list(house.walk("/v1/actions", device_id="'; DROP TABLE events; --\u2028", limit=1))

    assert len(pages) == 3
