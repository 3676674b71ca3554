"""What is sent wrongly is refused by name, never skipped or guessed."""

from urllib.parse import urlencode

import pytest

from tests.support.house import House, start

LISTS = [
    *("/v1/sessions", "/v1/measurements", "/v1/actions", "/v1/devices", "/v1/registrations"),
    *("/v1/events", "/v1/deliveries", "/v1/rejections", "/v1/machines"),
]
TIME = "expected a time with its zone, such as 2026-11-21T20:48:00Z"


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        *[("/v1/sessions", name) for name in ("limit", "min_position", "known_at_position", "changed_after")],
        *[("/v1/events", name) for name in ("after", "wait")],
        *[("/v1/audit/proof", name) for name in ("position", "size", "from", "to")],
        *[("/v1/audit/completeness", "silent_after"), ("/v1/deliveries", "position")],
    ],
)
@pytest.mark.parametrize("number", ["1e1", "1E1", "10.0", "1e0"])
def test_a_whole_number_is_written_in_digits_alone(one_house: House, path, parameter, number):
    problem = one_house.problem(path, **{parameter: number})

    assert (problem["parameter"], problem["detail"]) == (parameter, f"{parameter}: expected a whole number")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "1e9", "101", "text", "", " 1", "1_0", "٣", "99999999999999999999999"])
def test_a_limit_that_is_no_number_from_1_to_100_is_refused_by_name(one_house: House, path, limit):
    problem = one_house.problem(path, limit=limit)

    assert problem["parameter"] == "limit"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=text", "limit: expected a whole number"),
        ("limit=0", "limit: expected a whole number of at least 1"),
        ("limit=101", "limit: expected a whole number of at most 100"),
        ("since=soon", f"since: {TIME}"),
        ("since=2023-11-14T22:00:00+01:00", f"since: {TIME}; a + is sent as %2B"),
    ],
)
def test_what_is_expected_is_told_in_words_for_people(one_house: House, query, detail):
    assert one_house.problem(f"/v1/sessions?{query}")["detail"] == detail


@pytest.mark.parametrize("path", [*LISTS, "/healthz", "/readyz", "/v1/machines/session"])
def test_an_unknown_parameter_is_refused_by_name(one_house: House, path):
    problem = one_house.problem(path, stat="active")

    assert (problem["parameter"], problem["title"]) == ("stat", "Bad Request")
    assert problem["type"] == "/docs#problem-parameter"


@pytest.mark.parametrize("parameter", ["wait", "token"])
def test_parameters_that_are_not_there_yet_are_unknown(house: House, parameter):
    house.send("captions", start("ann@example.com"))
    (session,) = house.get("/v1/sessions")["data"]

    problem = house.problem(f"/v1/sessions/{session['id']}?{parameter}=2023-11-14T22:00:00Z")

    assert problem["parameter"] == parameter


@pytest.mark.parametrize("parameter", ["since", "until", "now"])
@pytest.mark.parametrize(
    "time",
    [
        *("yesterday", "", "5", "1689684577", "2023-11-14", "2023-13-01T00:00:00Z", "2023-11-14T25:00:00Z", "null"),
        *("2023-11-14T22:00:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2023-11-14T22:00:00+25:00"),
        *("2023-11-14T22:00:00 01:00", "2023-11-14T22:00:00Z\0", "٢٠٢٣-11-14T22:00:00Z"),
    ],
)
def test_a_bad_time_is_refused_by_name(one_house: House, parameter, time):
    problem = one_house.problem("/v1/sessions?" + urlencode({parameter: time}))

    assert problem["parameter"] == parameter


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        *[("changed_after", value) for value in ("-1", "x", "9223372036854775808", "1e400", "nan")],
        *[("min_position", value) for value in ("-1", "x", "9223372036854775808")],
        *[("anomaly", value) for value in ("none", "null", "", "late\n", "LATE")],
        *[("provider", value) for value in ("null", "svix", "wms\n")],
        *[(name, value) for name in ("source", "state", "user_id", "session_id") for value in ("", "a\0b", "x" * 513)],
    ],
)
def test_a_value_that_a_filter_cannot_have_is_refused_by_name(one_house: House, parameter, value):
    problem = one_house.problem("/v1/sessions?" + urlencode({parameter: value}))

    assert problem["parameter"] == parameter


def test_a_parameter_given_twice_is_refused_by_name(one_house: House):
    problem = one_house.problem("/v1/sessions?limit=1&limit=2")

    assert problem["parameter"] == "limit"


@pytest.mark.parametrize("query", ["user_id=%ff", "user_id=%ed%a0%80", "user_id=%c0%80"])
def test_a_value_that_is_not_utf_8_is_refused_by_name(one_house: House, query):
    problem = one_house.problem(f"/v1/sessions?{query}")

    assert problem["parameter"] == "user_id"


def test_a_name_that_is_not_utf_8_is_refused_readably(one_house: House):
    problem = one_house.problem("/v1/sessions?%ff%fe=1")

    assert problem["parameter"] == "??"


def test_more_parameters_than_anybody_needs_are_refused(one_house: House):
    problem = one_house.problem("/v1/sessions?" + "&".join(f"a{number}=1" for number in range(1000)))

    assert "parameters" in problem["detail"]


def test_a_filter_that_nothing_can_match_gives_an_empty_page(house: House):
    for name, value in {"source": "nobody", "state": "flying", "user_id": "%", "session_id": "' OR 1=1 --"}.items():
        assert house.get("/v1/sessions?" + urlencode({name: value})) == {"data": [], "next_cursor": None}
