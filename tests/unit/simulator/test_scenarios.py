"""What the simulated providers say is what the real ones document."""

import json
from random import Random

import pytest

from adapters.providers import build
from adapters.simulator import SCENARIOS, Message, ScenarioContext
from adapters.simulator.sender import headers
from core.event import SECOND, Reading
from tests.support.sources import SECRETS, source

NOW = 1_790_000_000 * SECOND
EVERY = [(provider, name) for provider, scenarios in SCENARIOS.items() for name in scenarios]

WMS_EVENTS = set(
    """
    WMS_LOADED CONFIGURATION_LOADED CAMERA_PERMISSION_GRANTED CAMERA_PERMISSION_DENIED CAMERA_STARTED
    MEASUREMENT_STARTED MEASUREMENT_CREATED INTERMEDIATE_RESULTS SCAN_COMPLETED RESULTS_RECEIVED
    REDIRECTING_TO_CALLBACK MEASUREMENT_CANCELED CONSTRAINT_VIOLATION PAGE_UNLOADED WEBSOCKET_DISCONNECTED
    WEBSOCKET_RECONNECTED WEBSOCKET_RECONNECTION_FAILED API_ERROR PAGE_VISIBILITY_CHANGE LOW_SNR GENERAL_ERROR
    """.split()
)


def play(provider: str, name: str, seed: int = 1) -> list[Message]:
    return SCENARIOS[provider][name](ScenarioContext(Random(seed), NOW), provider)


@pytest.mark.parametrize(("provider", "name"), EVERY)
def test_every_message_is_read_by_its_provider_and_known(provider, name):
    adapter = build(source(provider))

    readings = [adapter.read(message.body) for message in play(provider, name)]

    assert all(isinstance(reading, Reading) and reading.known and not reading.notes for reading in readings)


@pytest.mark.parametrize(("provider", "name"), EVERY)
def test_every_message_is_authentic(provider, name):
    adapter = build(source(provider))

    sent = [
        (message, headers(provider, SECRETS.get(provider), message, NOW / SECOND)) for message in play(provider, name)
    ]

    assert {type(adapter.verify(list(signed.items()), message.body, NOW)).__name__ for message, signed in sent} == {
        "Verified"
    }


@pytest.mark.parametrize(("provider", "name"), EVERY)
def test_the_same_seed_plays_the_same_and_another_one_plays_under_other_names(provider, name):
    assert play(provider, name, seed=1) == play(provider, name, seed=1)
    assert not set(play(provider, name, seed=1)) & set(play(provider, name, seed=2))


@pytest.mark.parametrize(("provider", "name"), EVERY)
def test_only_example_com_is_ever_named(provider, name):
    text = b" ".join(message.body for message in play(provider, name)).decode()

    hosts = [word.split('"')[0].split("/")[0] for part in text.split("://")[1:] for word in [part]]

    assert all(host.endswith("example.com") for host in hosts)
    assert text.count("@") == text.count("@example.com")


def test_the_wms_scenarios_tell_every_documented_event():
    told = {json.loads(message.body)["event"] for name in SCENARIOS["wms"] for message in play("wms", name)}

    assert told == WMS_EVENTS


def test_the_numbers_of_a_visit_have_no_hole():
    numbers = [json.loads(message.body)["sequence"] for message in play("wms", "happy")]

    assert numbers == list(range(len(numbers)))


def test_a_reload_numbers_its_events_anew():
    numbers = [json.loads(message.body)["sequence"] for message in play("wms", "reload")]

    assert numbers.count(0) == 2


def test_the_glasses_scenarios_tell_every_documented_type():
    told = {json.loads(message.body)["type"] for name in SCENARIOS["mentraos"] for message in play("mentraos", name)}

    assert told == {
        "session_request",
        "stop_request",
        "server_registration",
        "server_heartbeat",
        "session_recovery",
    }


def test_each_cloud_sends_the_addresses_of_its_era():
    requests = {provider: json.loads(play(provider, "start_stop")[0].body) for provider in ("augmentos", "mentraos")}

    urls = {provider: [name for name in body if name.endswith("ebsocketUrl")] for provider, body in requests.items()}
    assert urls == {
        "augmentos": ["augmentOSWebsocketUrl"],
        "mentraos": ["websocketUrl", "mentraOSWebsocketUrl", "augmentOSWebsocketUrl"],
    }


def test_a_duplicate_keeps_body_and_identity():
    assert len(set(play("amps", "duplicate"))) == 1
    assert len(play("amps", "duplicate")) == 3


def test_a_conflict_has_one_identity_with_two_bodies_and_one_action_with_two_ends():
    first, changed, failed = play("amps", "conflict")

    assert first.identity == changed.identity != failed.identity
    assert first.body != changed.body
    assert len({json.loads(message.body)["actionId"] for message in (first, changed, failed)}) == 1
