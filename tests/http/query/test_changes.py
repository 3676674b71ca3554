"""Streams of states: the latest of each stream, once, however often it changed, and none is missed."""

import json
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

import pytest
from werkzeug.test import create_environ

from adapters.http import CARRIED, COMMENT, Carried, FollowPage, TailEvent, read_changes
from adapters.http.framework import carried
from adapters.http.views import changes, events
from tests.support.house import House, pushed, start, stop, wms


def told(found: Sequence[TailEvent]) -> list[tuple[int, dict[str, Any]]]:
    """The positions and what is told of each; the end, which is for nobody, left out."""
    every = []
    for one in found:
        lines = one.message.decode().splitlines()
        assert [line for line in lines if line.startswith("id: ")] == [f"id: {one.position}"] * bool(one.keys)
        every += [(one.position, json.loads(line[6:])) for line in lines if line.startswith("data: ")]
    return every


def followed(house: House, name: str) -> list[tuple[int, dict[str, Any]]]:
    """All that a tail that begins with the log would give, in its order."""
    every, after = [], 0
    more = True
    while more:
        page, more = read_changes(name, house.api, after)
        every += told(page)
        after = page[-1].position
    assert after == house.api.reads.head()
    assert not read_changes(name, house.api, after).events
    return every


def pages(house: House, path: str, count: int) -> list[FollowPage]:
    """What a client that begins with the log is sent first by a server that carries on."""
    order: Any = house.app(create_environ(path) | {CARRIED: Carried()}, lambda *_: lambda _: None)
    found = [order.page(order.after)]
    while len(found) < count:
        found.append(order.page(found[-1].after))
    return found


def test_a_stream_is_told_once_with_its_latest_state_as_a_row_of_the_list(house: House):
    house.send("captions", start("ada"))
    house.send("captions", start("bob"))
    house.send("captions", stop("ada"))

    found = followed(house, "sessions")

    rows = {row["session_id"]: row for row in house.get("/v1/sessions")["data"]}
    assert [(at, row["session_id"].partition("-")[0], row["state"]) for at, row in found] == [
        (2, "bob", "active"),
        (3, "ada", "stopped"),
    ]
    assert all(row | {"derived": 0} == rows[row["session_id"]] | {"derived": 0} for _, row in found)


def test_one_that_goes_on_behind_the_events_looked_at_is_told_with_those(house: House, monkeypatch):
    monkeypatch.setattr(changes, "read_fitting", partial(events.read_fitting, limit=2))
    for number in range(5):
        house.send("clinic", wms("visit", number))
    house.send("captions", start("ada"))

    assert [at for at, _ in followed(house, "sessions")] == [5, 6]


def test_actions_are_told_and_nothing_else(house: House):
    house.send("captions", start("ada"))
    house.send("energy", pushed("a-1"), "key-1")
    house.send("captions", start("bob"))

    ((position, action),) = followed(house, "actions")

    assert (position, action["action_id"], action["state"]) == (2, "a-1", "completed")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_of_each_measurement_the_latest_is_told_whether_it_is_still_in_its_session_or_was_left_behind(
    house: House, monkeypatch, limit: int
):
    monkeypatch.setattr(changes, "read_fitting", partial(events.read_fitting, limit=limit))
    numbers = count()
    for scan in range(7):
        for event in ("MEASUREMENT_STARTED", "INTERMEDIATE_RESULTS", "RESULTS_RECEIVED"):
            house.send("clinic", wms("visit", next(numbers), event, measurementId=f"m{scan}"))
        house.send("captions", start(f"user{scan}"))
    house.send("clinic", wms("visit", next(numbers), "LOW_SNR", measurementId="m1"))

    found = followed(house, "measurements")

    latest = {row["measurement_id"]: row for _, row in found}
    assert latest == {row["measurement_id"]: row for row in house.get("/v1/measurements")["data"]}
    assert len(latest) == 7
    assert len(found) <= 7 + 5 * (limit < 100)


def test_of_a_session_that_goes_on_what_belongs_to_the_events_looked_at_is_told(house: House, monkeypatch):
    monkeypatch.setattr(changes, "read_fitting", partial(events.read_fitting, limit=2))
    for number, scan in enumerate(["m1", "m1", "m2"]):
        house.send("clinic", wms("visit", number, "MEASUREMENT_CREATED", measurementId=scan))

    first, _ = read_changes("measurements", house.api, 0)

    assert [(at, row["measurement_id"]) for at, row in told(first)] == [(2, "m1")]


def test_a_client_that_lost_the_connection_between_two_measurements_of_a_session_gets_both_again(house: House):
    for number, scan in enumerate(["m1", "m2"]):
        house.send("clinic", wms("visit", number, "MEASUREMENT_CREATED", measurementId=scan))

    (page,) = pages(house, "/v1/measurements/stream", 1)

    first, second = page.messages.decode().strip().split("\n\n")
    assert ("id:" in first, '"m1"' in first) == (False, True)
    assert (second.splitlines()[0], '"m2"' in second) == ("id: 2", True)


def test_what_is_not_folded_yet_is_waited_for(house: House, monkeypatch):
    house.send("captions", start("ada"))
    house.send("captions", start("bob"))

    monkeypatch.setattr(house.api.current, "folded", lambda: (2, 1))

    assert [at for at, _ in told(read_changes("sessions", house.api, 0).events)] == [1]


def test_where_nothing_fits_a_client_is_told_so_after_a_few_pages_and_others_have_their_turn(house: House, monkeypatch):
    monkeypatch.setattr(changes, "read_fitting", partial(events.read_fitting, limit=1))
    monkeypatch.setattr(changes, "PAGES", 2)
    for number in range(3):
        house.send("clinic", wms("visit", number))
    house.send("energy", pushed("a-1"), "key-1")

    first, second, third = pages(house, "/v1/actions/stream", 3)

    assert (first.messages, first.after) == (COMMENT, 2)
    assert (second.messages[:6], second.after) == (b"id: 4\n", 4)
    assert (third.messages, third.after) == (b"", 4)


def test_what_is_set_aside_to_be_folded_while_a_client_reads_is_not_passed_by(house: House, monkeypatch):
    house.send("captions", start("ada"))
    house.send("captions", start("bob"))
    looks = iter([(2, 2), (2, 2), (2, 0)])
    monkeypatch.setattr(house.api.current, "folded", lambda: next(looks, (2, 2)))

    (page,) = pages(house, "/v1/sessions/stream", 1)

    assert (page.messages, page.after) == (COMMENT, 0)


def test_more_than_a_client_may_be_kept_waiting_with_is_told_in_parts(house: House, monkeypatch):
    monkeypatch.setattr(carried, "BYTES_AT_ONCE", 1)
    for user in ("ada", "bob", "cyd"):
        house.send("captions", start(user))

    assert [at for at, _ in followed(house, "sessions")] == [1, 2, 3]


@pytest.mark.parametrize("path", ["/v1/sessions/stream", "/v1/measurements/stream", "/v1/actions/stream"])
def test_while_this_release_has_folded_nothing_it_is_told_so(house: House, monkeypatch, path: str):
    monkeypatch.setattr(house.api.current, "is_built", lambda: False)

    assert "has not folded the log" in house.problem(path, 503)["detail"]


def test_a_thread_tells_the_same_where_no_server_carries_on(house: House):
    position = house.send("captions", start("ada"))[1]

    with house.client.get("/v1/sessions/stream") as answer:
        pieces = iter(answer.response)
        told = [next(pieces), next(pieces)]

    assert told[0] == carried.RECONNECT
    assert told[1].startswith(b"id: %d\ndata: {" % position)
