"""Registrations of apps' servers."""

from typing import Any

from tests.support.house import House, start

REGISTERED = {
    "type": "server_registration",
    "sessionId": "registration-123456",
    "userId": "system",
    "timestamp": "2023-11-14T22:00:00Z",
    "registrationId": "reg-78901234",
    "packageName": "com.example.captions",
    "serverUrls": ["https://app.example.com/webhook"],
}
BEAT = {
    "type": "server_heartbeat",
    "sessionId": "heartbeat-123456",
    "userId": "system",
    "timestamp": "2023-11-14T22:10:00Z",
    "registrationId": "reg-78901234",
}


def test_a_registration_is_told_with_every_documented_field(house: House):
    house.send("captions", REGISTERED)
    house.send("captions", BEAT)

    (registration,) = house.get("/v1/registrations", registration_id="reg-78901234")["data"]

    assert (registration["registration_id"], registration["state"]) == ("reg-78901234", "alive")
    assert registration["package_name"] == "com.example.captions"
    assert registration["server_urls"] == ["https://app.example.com/webhook"]
    assert registration["user_id"] == "system"
    assert registration["derived"]["silent"] is False
    assert house.get(f"/v1/registrations/{registration['id']}") == registration


def test_a_user_finds_the_registrations_now_and_as_they_were(house: House):
    house.send("captions", REGISTERED)
    house.send("captions", REGISTERED | {"registrationId": "reg-2", "userId": "ann"})
    house.send("captions", start("ann"))

    def found(**filters: Any) -> list[str]:
        return [one["registration_id"] for one in house.get("/v1/registrations", **filters)["data"]]

    assert found(user_id="ann") == found(user_id="ann", known_at_position=3) == ["reg-2"]
    assert found(user_id="system", source="captions") == ["reg-78901234"]
    assert found(user_id="bob") == []


def test_silence_is_derived_from_the_time_of_the_question(house: House):
    house.send("captions", REGISTERED)

    (registration,) = house.get("/v1/registrations", now="2024-11-14T22:00:00Z")["data"]

    assert registration["derived"]["silent"] is True
