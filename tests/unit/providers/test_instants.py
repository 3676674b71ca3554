"""The providers' clocks, as they are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers.instants import instant, iso, unix

NOON = 1_680_352_245_000_000
"""2023-04-01T12:30:45Z."""

LAST = 253_402_300_799


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-04-01T12:30:45Z", NOON),
        ("2023-04-01T12:30:45.123Z", NOON + 123_000),
        ("2023-04-01T12:30:45.123456Z", NOON + 123_456),
        ("2023-04-01T12:30:45.123456789Z", NOON + 123_456),
        ("2023-04-01T14:30:45+02:00", NOON),
        ("2023-04-01T07:00:45-0530", NOON),
        ("2023-04-01t12:30:45z", NOON),
        ("2023-04-01 12:30:45Z", NOON),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59Z", LAST * 1_000_000),
    ],
)
def test_iso_text_is_read_to_the_microsecond(text, instant):
    assert iso(text) == (instant, True)


def test_without_a_zone_it_is_read_as_utc_and_says_so():
    assert iso("2023-04-01T12:30:45") == (NOON, False)


def test_a_leap_second_is_the_second_after_it():
    assert iso("2016-12-31T23:59:60Z") == iso("2017-01-01T00:00:00Z")
    assert iso("2016-12-31T23:59:60.750Z") == iso("2017-01-01T00:00:00Z")
    assert iso("2017-01-01T05:29:60+05:30") == iso("2017-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "2023-04-01T12:30:45+25:00",
        "2023-04-01T12:30:45+02:60",
        "2023-02-29T12:30:45Z",
        "2023-13-01T12:30:45Z",
        "2023-04-01T24:00:00Z",
        "2023-04-01T12:60:45Z",
        "2023-04-01T12:30:61Z",
        "2023-04-01",
        "2023-W13-6T12:30:45Z",
        "20230401T123045Z",
        "2023-04-01T12:30:45.Z",
        "2023-04-01T12:30:45Z\n",
        " 2023-04-01T12:30:45Z",
        "٢٠٢٣-04-01T12:30:45Z",
        "1680352245",
    ],
)
def test_other_text_is_no_time(text):
    assert iso(text) is None


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=11))])))
def test_what_python_writes_is_read_back(moment):
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)

    found = iso(moment.isoformat())

    instant = since // timedelta(microseconds=1)
    assert found in ((instant, True), None)
    assert found is not None or not 2 <= moment.year <= 9998


@given(st.text("0123456789-:+.TZ ", max_size=35))
def test_no_text_makes_it_raise(text):
    assert iso(text) is None or isinstance(iso(text), tuple)


@pytest.mark.parametrize(
    ("number", "instant"),
    [
        (0, 0),
        (1_689_684_577, 1_689_684_577_000_000),
        (1_689_684_577.25, 1_689_684_577_250_000),
        (1_689_684_577_250, 1_689_684_577_250_000),
        (1_689_684_577_250.5, 1_689_684_577_250_500),
        (100_000_000_000, 100_000_000_000_000_000),
        (100_000_000_001, 100_000_000_001_000),
        (LAST * 1_000, LAST * 1_000_000),
    ],
)
def test_unix_numbers_are_seconds_or_milliseconds(number, instant):
    assert unix(number) == instant


@pytest.mark.parametrize("number", [-1, -0.001, (LAST + 1) * 1_000, 2**63 - 1, 1e18, 1e308])
def test_numbers_before_1970_and_past_the_year_9999_are_no_time(number):
    assert unix(number) is None


@pytest.mark.parametrize("value", ["2023-04-01T12:30:45Z", "2023-04-01T12:30:45", 1_680_352_245, 1_680_352_245_000.0])
def test_a_time_is_text_or_a_number(value):
    assert instant(value) == NOON


@pytest.mark.parametrize("value", ["soon", "", "1680352245", -1, 1e400, float("nan"), True, None, {"at": 5}, [NOON]])
def test_what_is_no_time_has_no_instant(value):
    assert instant(value) is None
