"""One box takes any id, and none of a person's stands in an address."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert

from adapters.sql.database import tables
from tests.console.conftest import Desk
from tests.support.house import pushed, start, wms


@pytest.fixture
def filled(desk: Desk) -> Desk:
    desk.send("clinic", wms("visit-1", 0, "MEASUREMENT_STARTED"))
    desk.send("clinic", wms("visit-1", 1, "MEASUREMENT_CREATED", 1, measurementId="m-1"))
    desk.send("captions", start("ann@example.com"))
    desk.send("energy", pushed("a-1"), key="1")
    return desk


def ours(desk: Desk, kind: str) -> str:
    return str(desk.get(f"/v1/{kind}")["data"][-1]["id"])


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("visit-1", lambda desk: f"/sessions/{ours(desk, 'sessions')}"),
        (" m-1 ", lambda desk: f"/measurements/{ours(desk, 'measurements')}"),
        ("a-1", lambda desk: f"/actions/{ours(desk, 'actions')}"),
        ("car-1", lambda desk: f"/devices/{ours(desk, 'devices')}"),
        ("3", lambda _: "/events/3"),
        ("", lambda _: "/"),
    ],
)
def test_an_id_that_names_one_thing_leads_to_it(filled: Desk, wanted: str, place: Callable[[Desk], str]):
    answer = filled.post("/search", id=wanted)

    assert (answer.status_code, answer.headers["Location"]) == (303, place(filled))


@pytest.mark.parametrize("kind", ["sessions", "measurements", "actions", "devices"])
def test_an_id_of_ours_leads_to_its_page(filled: Desk, kind: str):
    answer = filled.post("/search", id=ours(filled, kind))

    assert answer.headers["Location"] == f"/{kind}/{ours(filled, kind)}"


def test_what_several_things_are_called_is_told_and_listed_without_saying_it_in_an_address(filled: Desk):
    filled.send("older", start("ann@example.com"))

    page = filled.fill("/search", id="ann@example.com")
    (listed,) = [href for href in page.all("a", "href") if "cursor=" in href]

    assert "ann" not in "".join(page.all("a", "href"))
    told = filled.look(listed).text
    assert "Only with user_id an…" in told
    assert told.count("an… ses_") == 2
    assert "visit-1" not in told


@pytest.mark.parametrize("wanted", ["nobody", "99", "<script>", "١"])
def test_what_nothing_is_called_is_404(one_desk: Desk, wanted: str):
    page = one_desk.fill("/search", 404, id=wanted)

    assert "Nothing has this id" in page.text
    assert wanted in page.text


def test_what_no_id_can_be_is_told(one_desk: Desk):
    answer: Any = one_desk.post("/search", id="x\0y")

    assert "without NUL" in one_desk.page(answer, 400).text


@pytest.mark.parametrize("kind", ["sessions", "measurements", "actions", "devices"])
@pytest.mark.parametrize("typed", ["{}", " {} ", '"{}"', "({}),", "“{}”;", "'{}'.", "{}).\n"])
def test_an_id_is_found_whatever_its_case_and_what_stands_around_it(filled: Desk, kind: str, typed: str):
    whole = ours(filled, kind)

    for wanted in (whole, whole.upper(), whole[:12], whole[:12].upper()):
        answer = filled.post("/search", id=typed.format(wanted))
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/{kind}/{whole}")


@pytest.mark.parametrize("typed", ["VISIT-1", "Visit-1.", '"visit-1"', "(VISIT-1);"])
def test_an_id_of_a_provider_is_found_in_the_other_case_and_within_a_sentence(filled: Desk, typed: str):
    assert filled.post("/search", id=typed).headers["Location"] == f"/sessions/{ours(filled, 'sessions')}"


def test_what_is_typed_is_found_before_any_other_spelling_of_it(one_desk: Desk):
    for number, name in enumerate(["ab.", "ab", "AB"]):
        one_desk.send("clinic", wms(name, number))
    ids = {one["session_id"]: f"/sessions/{one['id']}" for one in one_desk.get("/v1/sessions")["data"]}

    for name, path in ids.items():
        assert one_desk.post("/search", id=name).headers["Location"] == path
    several = one_desk.fill("/search", id="Ab")
    assert {href for href in several.all("a", "href") if "/ses_" in href} == {ids["ab"], ids["AB"]}


def test_ids_that_begin_alike_are_listed(desk: Desk):
    alike = [f"ses_aaaaaaaa{letter * 18}" for letter in "bcd"]
    with desk.engine.begin() as connection:
        for number, name in enumerate([*alike, f"ses_aaaaaaab{'b' * 18}"]):
            connection.execute(
                insert(tables.streams).values(source="clinic", stream=name, kind="session", opened=number)
            )

    page = desk.fill("/search", id="ses_aaaaaaaa")

    assert [href for href in page.all("a", "href") if "/ses_" in href] == [f"/sessions/{name}" for name in alike]


@pytest.mark.parametrize("wanted", ["ses_aaaaaaa", f"ses_{'a' * 26}", "ses_aaaaaaaa", f"mea_{'a' * 26}"])
def test_what_is_not_found_is_told_with_what_was_not_searched_and_leads_to_the_sessions(one_desk: Desk, wanted: str):
    for reason in ("stale", "signature_missing", "stale"):
        one_desk.reject(reason=reason)

    page = one_desk.fill("/search", 404, id=wanted)

    assert "Nothing has this id" in page.text
    assert "Not searched: 3 rejected deliveries ;" in page.text
    assert "type one of mixed case exactly" in page.text
    assert {"/sessions", "/deliveries?verdict=rejected"} <= set(page.all("a", "href"))


def test_capitals_that_make_an_id_too_long_are_not_tried(one_desk: Desk):
    one_desk.fill("/search", 404, id="ß" * 512)
