"""What came to the door."""

from typing import Any

from adapters.sql import Rejection
from tests.support.house import NOON, SECOND, House, pushed, wms


def busy_door(house: House) -> None:
    house.send("clinic", wms("scan", 0))
    house.reject("clinic", "signature_mismatch", "matches only under node-ascii")
    house.send("clinic", wms("scan", 0))
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", pushed("a-1", command="other"), key="m-1")
    house.send("clinic", wms("scan", 0))
    house.reject("energy", "stale")


def test_every_delivery_is_there_newest_first_with_its_verdict(house: House):
    busy_door(house)

    deliveries = house.get("/v1/deliveries")["data"]

    assert [(one["verdict"], one["source"], one["position"]) for one in deliveries] == [
        ("rejected", "energy", None),
        ("duplicate", "clinic", 1),
        ("conflict", "energy", 2),
        ("new", "energy", 2),
        ("duplicate", "clinic", 1),
        ("rejected", "clinic", None),
        ("new", "clinic", 1),
    ]
    assert {one["status"] for one in deliveries} == {200, 401}
    assert deliveries[-1]["size"] == len(house.client.get("/v1/events/1/body").data)


def test_deliveries_are_filtered_by_verdict_source_and_event(house: House):
    busy_door(house)

    def verdicts(**filters: Any) -> list[str]:
        return [one["verdict"] for one in house.get("/v1/deliveries", **filters)["data"]]

    assert verdicts(verdict="new") == ["new", "new"]
    assert verdicts(verdict="duplicate") == ["duplicate", "duplicate"]
    assert verdicts(source="energy") == ["rejected", "conflict", "new"]
    assert verdicts(position="1") == ["duplicate", "duplicate", "new"]
    assert verdicts(position="1", verdict="duplicate", source="clinic") == ["duplicate", "duplicate"]
    assert verdicts(position="0") == verdicts(source="nobody") == []
    assert house.problem("/v1/deliveries", verdict="lost")["parameter"] == "verdict"


def test_deliveries_and_rejections_are_filtered_by_reason(house: House):
    busy_door(house)
    house.reject("clinic", "stale")

    def found(path: str, **filters: Any) -> list[tuple[str, str]]:
        return [(one["source"], one["reason"]) for one in house.get(path, **filters)["data"]]

    assert found("/v1/rejections", reason="stale") == [("clinic", "stale"), ("energy", "stale")]
    assert found("/v1/deliveries", reason="stale", source="energy") == [("energy", "stale")]
    assert found("/v1/deliveries", reason="stale", verdict="rejected", source="clinic") == [("clinic", "stale")]
    assert found("/v1/deliveries", reason="stale", verdict="new") == found("/v1/rejections", reason="lost") == []
    pages = list(house.walk("/v1/rejections", reason="stale", limit=1))
    assert [[one["source"] for one in page] for page in pages] == [["clinic"], ["energy"]]


def test_duplicates_that_are_no_longer_listed_are_still_counted(house: House):
    house.send("clinic", wms("scan", 0))
    before = house.get("/v1/sessions")["data"][0]
    house.log.append([house.entry("clinic", wms("scan", 0))] * 1_500)
    house.send("energy", pushed("a-1"), key="m-1")
    house.log.append([house.entry("clinic", wms("scan", 0))] * 10)

    def duplicates(**asked: Any) -> int:
        (entry,) = house.get(f"/v1/sessions/{before['id']}/timeline", **asked)["data"]
        return int(entry["duplicates"])

    assert len([one for page in house.walk("/v1/deliveries", verdict="duplicate", limit=100) for one in page]) == 1_000
    assert duplicates() == 1_510
    assert duplicates(known_at_position=1) == 1_500


def test_conflicts_that_are_not_listed_are_still_counted_and_known_since_the_first(house: House):
    for number in range(4):
        house.send("energy", pushed("a-1", result=number), key="m-1")
        house.send("energy", pushed(f"other-{number}"), key=f"o-{number}")
    house.log.append([house.entry("energy", pushed("a-1", result=3), "m-1")] * 20)
    (action,) = house.get("/v1/actions", action_id="a-1")["data"]

    def conflicts(**asked: Any) -> int:
        entry, *_ = house.get(f"/v1/actions/{action['id']}/timeline", **asked)["data"]
        return int(entry["conflicts"])

    assert len(house.get("/v1/deliveries", verdict="conflict")["data"]) == 3
    assert conflicts() == 23
    assert [conflicts(known_at_position=at) for at in (1, 2, 3, 4)] == [0, 1, 2, 3]


def test_rejections_tell_their_reason(house: House):
    busy_door(house)

    newer, older = house.get("/v1/rejections")["data"]

    assert (newer["reason"], newer["hint"], newer["verdict"]) == ("stale", None, "rejected")
    assert (older["reason"], older["hint"]) == ("signature_mismatch", "matches only under node-ascii")
    assert older["size"] == 2
    assert [one["source"] for one in house.get("/v1/rejections", source="clinic")["data"]] == ["clinic"]


def test_pages_hold_every_delivery_once_whatever_comes_meanwhile(house: House):
    busy_door(house)
    whole = house.get("/v1/deliveries")["data"]

    shown = []
    for page in house.walk("/v1/deliveries", limit=1):
        shown += page
        busy_door(house)

    assert shown == whole


def test_a_list_that_held_no_delivery_of_a_kind_does_not_take_up_later_ones(house: House):
    for number in range(3):
        house.send("clinic", wms("scan", number))
    walk = house.walk("/v1/deliveries", limit=2)
    first = next(walk)

    house.send("clinic", wms("scan", 0))

    assert [one["verdict"] for page in [first, *walk] for one in page] == ["new", "new", "new"]


def test_rejections_are_counted_by_source_and_reason_with_their_first_and_last_time(house: House):
    house.reject("energy", "stale", "412 s ago")
    house.reject("clinic", "signature_mismatch", "it matches with a line feed less")
    house.reject("clinic", "signature_mismatch", "it matches as JSON written anew")
    house.send("clinic", wms("scan", 0))

    counted = house.get("/v1/rejections/summary")["data"]

    assert [(one["source"], one["provider"], one["reason"], one["count"], one["hint"]) for one in counted] == [
        ("clinic", "wms", "signature_mismatch", 2, "it matches as JSON written anew"),
        ("energy", "amps", "stale", 1, "412 s ago"),
    ]
    assert {counted[0]["first_at"], counted[0]["last_at"]} == {"2023-11-14T22:13:20.000000Z"}
    assert [one["source"] for one in house.get("/v1/rejections/summary", source="energy")["data"]] == ["energy"]
    assert house.problem("/v1/rejections/summary", reason="stale")["parameter"] == "reason"


def test_rejections_that_are_no_longer_on_record_are_counted_all_the_same(house: House):
    house.reject("clinic", "signature_missing", "at first")
    late = Rejection("clinic", NOON + 5 * SECOND, [], b"", 0, 401, "signature_mismatch", "no secret made it")
    house.log.append([late] * 700)
    house.log.append([late] * 500)

    mismatched, missing = house.get("/v1/rejections/summary")["data"]

    assert len([one for page in house.walk("/v1/rejections", limit=100) for one in page]) == 1_000
    assert (mismatched["count"], missing["count"]) == (1_200, 1)
    assert (mismatched["first_at"], mismatched["hint"]) == ("2023-11-14T22:13:25.000000Z", "no secret made it")
    assert (missing["last_at"], missing["hint"]) == ("2023-11-14T22:13:20.000000Z", None)
