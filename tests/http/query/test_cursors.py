"""Cursors are opaque, sealed, bound to their list, and stable while others write."""

from base64 import urlsafe_b64decode

import pytest

from tests.support.house import House, pushed, start, stop, wms

USERS = [f"user{number}@example.com" for number in range(7)]


def started(house: House, *users: str) -> None:
    for user in users:
        house.send("captions", start(user))


def users(pages: list[list[dict[str, str]]]) -> list[list[str]]:
    return [[session["user_id"] for session in page] for page in pages]


def test_pages_hold_everything_once_newest_first(house: House):
    started(house, *USERS)

    pages = users(list(house.walk("/v1/sessions", limit=3)))

    assert pages == [USERS[:3:-1], USERS[3:0:-1], USERS[:1]]


def test_what_comes_between_two_pages_moves_nothing(house: House):
    started(house, *USERS[:4])
    walk = house.walk("/v1/sessions", limit=2)
    first = next(walk)

    started(house, *USERS[4:])
    house.send("captions", stop(USERS[0]))

    assert users([first, *walk]) == [[USERS[3], USERS[2]], [USERS[1], USERS[0]]]


def test_the_filters_live_in_the_cursor(house: House):
    started(house, *USERS[:3])
    house.send("captions", stop(USERS[1]))

    pages = users(list(house.walk("/v1/sessions", limit=1, state="active", source="captions")))

    assert pages == [[USERS[2]], [USERS[0]]]


def test_the_link_header_leads_to_the_next_page_with_the_cursor_alone(house: House):
    started(house, *USERS[:2])

    answer = house.client.get("/v1/sessions?limit=1")

    cursor = answer.json["next_cursor"]
    assert answer.headers["Link"] == f'</v1/sessions?cursor={cursor}>; rel="next"'
    assert "Link" not in house.client.get(f"/v1/sessions?cursor={cursor}").headers


def test_a_cursor_tells_nothing_of_what_it_holds(house: House):
    started(house, USERS[0], "other@example.com")
    house.send("older", start(USERS[0]))

    page = house.get("/v1/sessions", user_id=USERS[0], limit=1)

    raw = urlsafe_b64decode(page["next_cursor"] + "==")
    assert b"example" not in raw
    assert b"user" not in raw


def test_the_same_place_has_the_same_cursor(house: House):
    started(house, *USERS[:2])

    cursors = {house.get("/v1/sessions", limit=1)["next_cursor"] for _ in range(3)}

    assert len(cursors) == 1


def cursor_of(house: House) -> str:
    started(house, *USERS[:2])
    cursor: str = house.get("/v1/sessions", limit=1)["next_cursor"]
    return cursor


def test_a_cursor_altered_anywhere_is_refused(one_house: House):
    cursor = cursor_of(one_house)

    for at in range(len(cursor)):
        altered = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        assert one_house.problem("/v1/sessions", cursor=altered)["parameter"] == "cursor"


@pytest.mark.parametrize("alter", ["{}=", "{}A", "{}==", " {}", "{}\n", "{}!", "é{}"])
def test_a_cursor_with_something_added_is_refused(one_house: House, alter):
    cursor = cursor_of(one_house)

    assert one_house.problem("/v1/sessions", cursor=alter.format(cursor))["parameter"] == "cursor"


@pytest.mark.parametrize("garbage", ["", "x", "AAAA", "null", "0", "A" * 43, "é", "%00", "A" * 5000])
def test_garbage_is_no_cursor(one_house: House, garbage):
    assert one_house.problem("/v1/sessions", cursor=garbage)["parameter"] == "cursor"


def test_a_cursor_of_another_list_is_refused(one_house: House):
    cursor = cursor_of(one_house)

    assert one_house.problem("/v1/actions", cursor=cursor)["parameter"] == "cursor"
    assert one_house.problem("/v1/deliveries", cursor=cursor)["parameter"] == "cursor"


def test_a_cursor_of_another_services_secret_is_refused(one_house: House, tmp_path):
    from adapters.http.framework.cursors import CursorContent, Cursors
    from core.ids import Ids

    foreign = Cursors(Ids(b"another secret").subkey("cursors")).seal("/v1/sessions", CursorContent({}, 1))

    assert one_house.problem("/v1/sessions", cursor=foreign)["parameter"] == "cursor"


def test_a_filter_beside_a_cursor_has_to_agree_with_it(one_house: House):
    started(one_house, *USERS[:3])
    cursor = one_house.get("/v1/sessions", limit=1, state="active")["next_cursor"]

    assert one_house.problem("/v1/sessions", cursor=cursor, state="stopped")["parameter"] == "state"
    assert one_house.problem("/v1/sessions", cursor=cursor, source="captions")["parameter"] == "source"
    page = one_house.get("/v1/sessions", cursor=cursor, state="active", limit=2)
    assert users([page["data"]]) == [[USERS[1], USERS[0]]]


def test_every_list_can_be_walked_in_pages_of_one(house: House):
    for number in range(3):
        house.send("clinic", wms("scan", number, "MEASUREMENT_STARTED"))
        house.send("energy", pushed(f"a-{number}", f"car-{number}"), key=f"m-{number}")
        house.send("energy", pushed(f"a-{number}", f"car-{number}"), key=f"m-{number}")
        house.send("captions", {**registration(number)})
        house.reject()
    (session,) = house.get("/v1/sessions")["data"]

    for path, count in {
        "/v1/measurements": 3,
        "/v1/actions": 3,
        "/v1/devices": 3,
        "/v1/registrations": 3,
        "/v1/events": 9,
        "/v1/deliveries": 15,
        "/v1/rejections": 3,
        "/v1/machines": 5,
        f"/v1/sessions/{session['id']}/events": 3,
        f"/v1/sessions/{session['id']}/timeline": 3,
        f"/v1/sessions/{session['id']}/runs": 1,
    }.items():
        pages = list(house.walk(path, limit=1))
        assert [len(page) for page in pages] == [1] * count, path
        assert [item for page in pages for item in page] == house.get(path, limit=100)["data"], path


def registration(number: int) -> dict[str, object]:
    return {
        "type": "server_registration",
        "sessionId": f"registration-{number}",
        "userId": "system",
        "timestamp": "2023-11-14T22:00:00Z",
        "registrationId": f"reg-{number}",
        "packageName": "com.example.captions",
        "serverUrls": ["https://app.example.com/webhook"],
    }
