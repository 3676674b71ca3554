"""A webhook of the glasses has its app connect to hosts that are allowed, however its URL is spelt."""

import json

import pytest

from adapters.providers import points_elsewhere
from core.event import Reading
from tests.support.deliveries import provider
from tests.support.house import start

ALLOWED = ("cloud.example.com", "*.example.org")


def objection(**urls: object) -> object:
    document = {name: value for name, value in start("ann").items() if name != "mentraOSWebsocketUrl"}
    reading = provider("mentraos").read(json.dumps(document | urls).encode())
    assert isinstance(reading, Reading)
    return points_elsewhere(reading, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "wss://cloud.example.com/app-ws",
        "ws://CLOUD.example.com:8002",
        "wss://eu.example.org?a=b",
        "wss://a.b.example.org/",
    ],
)
def test_an_allowed_host_is_taken(url):
    assert objection(mentraOSWebsocketUrl=url) is None


def test_a_request_without_a_url_is_taken():
    assert objection() is None


@pytest.mark.parametrize(
    "url",
    [
        "wss://evil.example.net/",
        "wss://cloud.example.com.example.net/",
        "wss://example.org/",
        "wss://notexample.org/",
        "wss://cloud.example.com@evil.example.net/",
        "wss://evil.example.net\\@cloud.example.com/",
        "wss://evil.example.net\\.example.org/",
        "wss://cloud.example.com\t.evil.example.net/",
        "wss://cloud.example.com%2eevil.example.net/",
        "wss://ｃloud.example.com/",
        "wss://cloud.example.com./",
        " wss://cloud.example.com/",
        "wss:cloud.example.com",
        "wss:///cloud.example.com/",
        "https://cloud.example.com/",
        "",
        17,
        {"a": 1},
    ],
)
def test_anything_else_is_refused(url):
    assert objection(mentraOSWebsocketUrl=url) is not None


def test_each_url_of_a_request_has_to_be_allowed():
    fine = "wss://cloud.example.com/"

    assert objection(websocketUrl=fine, mentraOSWebsocketUrl=fine, augmentOSWebsocketUrl="wss://evil.example.net/")
