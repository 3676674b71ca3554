"""One box takes any id, and none of a person's stands in an address."""

from collections.abc import Callable
from typing import Any

import pytest

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
