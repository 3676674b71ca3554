"""Measurements: each scan of a session by itself."""

from typing import Any

from tests.support.house import House, wms

MADE = "f0c8ca8d-111d-4dcf-a69d-46ed39a2db06"
SCAN: list[tuple[str, dict[str, Any]]] = [
    ("WMS_LOADED", {}),
    ("CONFIGURATION_LOADED", {}),
    ("CAMERA_PERMISSION_GRANTED", {}),
    ("CAMERA_STARTED", {}),
    ("MEASUREMENT_STARTED", {}),
    ("MEASUREMENT_CREATED", {"measurementId": MADE}),
    ("INTERMEDIATE_RESULTS", {"measurementId": MADE, "snr": 4.5, "sequence": 1}),
    ("INTERMEDIATE_RESULTS", {"measurementId": MADE, "snr": -100, "sequence": 2}),
    ("SCAN_COMPLETED", {"measurementId": MADE}),
    ("RESULTS_RECEIVED", {"measurementId": MADE}),
]


def scan(house: House, session: str = "scan", missing: int | None = None) -> None:
    for number, (event, payload) in enumerate(SCAN):
        if number != missing:
            house.send("clinic", wms(session, number, event, **payload))


def test_a_measurement_is_told_with_its_steps_chunks_and_outcome(house: House):
    scan(house)

    (measurement,) = house.get("/v1/measurements")["data"]

    assert measurement["id"] == house.ids.of("measurement", "clinic", "scan", MADE)
    assert (measurement["measurement_id"], measurement["session_id"]) == (MADE, "scan")
    assert measurement["session"] == house.ids.of("session", "clinic", "scan")
    assert (measurement["run"], measurement["state"], measurement["outcome"]) == (1, "completed", "completed")
    assert measurement["complete"] is True
    assert list(measurement["steps"]) == list(dict.fromkeys(event for event, _ in SCAN[4:]))
    assert measurement["steps"]["SCAN_COMPLETED"] == "2023-11-14T22:13:28.000000Z"
    assert [(chunk["sequence"], chunk["snr"], chunk["position"]) for chunk in measurement["snr"]] == [
        (1, 4.5, 7),
        (2, -100.0, 8),
    ]
    assert measurement["snr_count"] == 2
    assert measurement["anomalies"] == []
    assert house.get(f"/v1/measurements/{measurement['id']}") == measurement


def test_of_a_long_series_the_newest_200_chunks_are_shown_with_a_count(house: House):
    for number in range(203):
        house.send("clinic", wms("scan", number, "INTERMEDIATE_RESULTS", measurementId=MADE, snr=4.5, sequence=number))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert measurement["snr_count"] == 203
    assert [chunk["sequence"] for chunk in measurement["snr"]] == list(range(3, 203))


def test_a_measurement_is_found_by_the_providers_ids(house: House):
    scan(house)
    scan(house, session="another")
    house.send("clinic", wms("nameless", 4, "MEASUREMENT_STARTED"))

    def sessions(**filters: Any) -> list[str]:
        return [one["session_id"] for one in house.get("/v1/measurements", **filters)["data"]]

    assert sessions() == ["nameless", "another", "scan"]
    assert sessions(measurement_id=MADE) == ["another", "scan"]
    assert sessions(measurement_id=MADE, session_id="scan") == ["scan"]
    assert sessions(session_id="nameless") == ["nameless"]
    assert sessions(source="energy") == []
    assert sessions(provider="wms") == ["nameless", "another", "scan"]
    assert sessions(provider="amps") == []
    assert sessions(state="started") == ["nameless"]
    assert sessions(outcome="completed") == ["another", "scan"]
    assert sessions(anomaly="unexpected") == ["nameless"]


def test_one_that_never_got_an_id_has_none_and_can_be_fetched(house: House):
    house.send("clinic", wms("scan", 0, "MEASUREMENT_STARTED"))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert measurement["measurement_id"] is None
    assert house.get(f"/v1/measurements/{measurement['id']}") == measurement


def test_the_timeline_holds_its_own_events_and_the_hole_that_closed_is_gone(house: House):
    scan(house, missing=7)
    (measurement,) = house.get("/v1/measurements")["data"]
    assert [anomaly["kind"] for anomaly in measurement["anomalies"]] == ["gap"]
    assert measurement["complete"] is False
    assert measurement["missing"] == [{"first": 7, "last": 7}]

    house.send("clinic", wms("scan", 7, "INTERMEDIATE_RESULTS", **SCAN[7][1]))

    steps = house.get(f"/v1/measurements/{measurement['id']}/timeline")["data"]
    assert [step["sequence"] for step in steps] == [4, 5, 6, 7, 8, 9]
    assert [step["type"] for step in steps] == [event for event, _ in SCAN[4:]]
    assert {step["region"] for step in steps} == {"measurement"}
    assert {step["measurement_id"] for step in steps} == {MADE}
    assert steps[3]["data"]["snr"] == -100
    assert [anomaly["kind"] for step in steps for anomaly in step["anomalies"]] == ["late"]
    assert house.get(f"/v1/measurements/{measurement['id']}")["complete"] is True
    assert house.get(f"/v1/measurements/{measurement['id']}")["missing"] == []


def test_what_a_measurement_lacks_is_told_by_its_numbers_and_what_came_before_its_start_is_not(house: House):
    house.send("clinic", wms("scan", 1, "CAMERA_STARTED", 1))
    house.send("clinic", wms("scan", 4, "MEASUREMENT_STARTED", 4))
    house.send("clinic", wms("scan", 5, "MEASUREMENT_CREATED", 5, measurementId=MADE))
    (whole,) = house.get("/v1/measurements")["data"]
    for number in (9, 11, 15):
        house.send("clinic", wms("scan", number, "INTERMEDIATE_RESULTS", number, measurementId=MADE))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert (whole["complete"], whole["missing"]) == (True, [])
    gaps = [(one["first"], one["last"]) for one in measurement["missing"]]
    assert (measurement["complete"], gaps) == (False, [(6, 8), (10, 10), (12, 14)])


def test_a_measurement_whose_start_never_came_tells_the_gap_in_which_that_was(house: House):
    house.send("clinic", wms("scan", 0, "WMS_LOADED"))
    house.send("clinic", wms("scan", 6, "INTERMEDIATE_RESULTS", 6, measurementId=MADE))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert measurement["missing"] == [{"first": 1, "last": 5}]


def test_of_many_gaps_the_newest_hundred_are_told_and_the_others_counted(house: House):
    house.send("clinic", wms("scan", 0, "MEASUREMENT_STARTED"))
    for number in range(2, 206, 2):
        house.send("clinic", wms("scan", number, "INTERMEDIATE_RESULTS", number, measurementId=MADE))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert (len(measurement["missing"]), measurement["missing_older"]) == (100, 2)
    assert measurement["missing"][0] == {"first": 5, "last": 5}


def test_events_that_name_no_measurement_belong_to_the_one_that_goes_on(house: House):
    for number, event in enumerate(["MEASUREMENT_STARTED", "LOW_SNR", "MEASUREMENT_STARTED", "GENERAL_ERROR"]):
        house.send("clinic", wms("scan", number, event))
    second, first = house.get("/v1/measurements")["data"]

    def types(measurement: dict[str, str]) -> list[str]:
        return [step["type"] for step in house.get(f"/v1/measurements/{measurement['id']}/timeline")["data"]]

    assert types(first) == ["MEASUREMENT_STARTED", "LOW_SNR"]
    assert types(second) == ["MEASUREMENT_STARTED", "GENERAL_ERROR"]


def test_an_id_that_does_not_exist_is_not_found(house: House):
    for path in ["", "/timeline"]:
        house.problem(f"/v1/measurements/mea_{'a' * 26}{path}", status=404)


def test_a_beginning_that_comes_late_is_the_measurements_first_event_from_then_on(house: House):
    for number in (5, 4, 6):
        house.send("clinic", wms("scan", number, *SCAN[number][:1], **SCAN[number][1]))

    (measurement,) = house.get("/v1/measurements")["data"]

    assert (measurement["position"], measurement["measurement_id"], measurement["state"]) == (2, MADE, "scanning")
    assert house.get(f"/v1/measurements/{measurement['id']}") == measurement
