"""`type=`: no index has it, so a page looks at so many events, and its cursor leads on where few of them fit."""

import json
from typing import Any

import pytest
from werkzeug.test import create_environ

from adapters.http import CARRIED, Carried, Wanted
from adapters.sql.queries import events
from tests.support.house import House, pushed, wms


@pytest.fixture
def mixed(house: House) -> House:
    """Positions 1 to 9."""
    for number in range(6):
        house.send("clinic", wms("scan", number, "WMS_LOADED" if number % 5 == 0 else "CAMERA_STARTED"))
    house.send("clinic", wms("other", 0, "WMS_PAUSED"))
    house.send("clinic", wms("other", 1, "WMS_LOADED"))
    house.send("energy", pushed("a-1"), key="m-1")
    return house


def pages(house: House, **asked: Any) -> list[list[int]]:
    return [[event["position"] for event in page] for page in house.walk("/v1/events", **asked)]


def test_events_are_filtered_by_their_type_as_sent(mixed: House):
    assert pages(mixed, type="WMS_LOADED") == [[1, 6, 8]]
    assert pages(mixed, type="WMS_LOADED", session_id="scan", after=1) == [[6]]
    assert pages(mixed, type="push.completed", source="energy") == [[9]]
    assert pages(mixed, type="push.completed", source="clinic") == [[]]
    assert pages(mixed, type="WMS_PAUSED", reading="unknown_type") == [[7]]
    assert pages(mixed, type="WMS_LOADED", reading="unknown_type") == [[]]
    assert pages(mixed, type="WMS_LOADED", limit=1) == [[1], [6], [8]]
    assert mixed.problem("/v1/events", type="")["parameter"] == "type"


def test_a_page_looks_at_so_many_events_and_its_cursor_leads_on(mixed: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "EXAMINED", 2)

    assert pages(mixed, type="WMS_LOADED") == [[1], [], [6], [8], []]
    assert pages(mixed, type="WMS_LOADED", source="clinic") == [[1], [], [6], [8], []]
    assert pages(mixed, type="WMS_LOADED", session_id="scan") == [[1], [], [6], []]
    assert pages(mixed, type="WMS_LOADED", limit=1, after=5) == [[6], [8], []]


def carried(house: House, **asked: str) -> Any:
    """What a server that carries on is answered with: pieces of a body, or an order."""
    environ = create_environ("/v1/events", query_string=asked) | {CARRIED: Carried()}
    return house.app(environ, lambda *_: lambda _: None)


def test_an_empty_page_waits_only_once_nothing_is_left_to_look_at(mixed: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "EXAMINED", 5)

    first = json.loads(b"".join(carried(mixed, type="NEVER_HEARD_OF", wait="1")))
    order = carried(mixed, cursor=first["next_cursor"], wait="1")

    assert first["data"] == []
    assert (order.wanted, order.after, order.head) == (Wanted(type="NEVER_HEARD_OF"), 9, 9)
