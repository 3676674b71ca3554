"""What an open page follows: the stream of events, of everything or of what the page is about."""

import pytest

from tests.console.conftest import Desk
from tests.support.house import pushed, start, wms


def followed(desk: Desk, path: str) -> list[str]:
    return [attrs["data-live"] or "" for _, attrs in desk.look(path).tags if "data-live" in attrs]


def first_message(desk: Desk, path: str) -> bytes:
    """Of a stream that never ends: what it begins with."""
    answer = desk.client.get(path)
    assert answer.content_type == "text/event-stream"
    pieces = iter(answer.response)
    found = b"".join([next(pieces), next(pieces)])
    answer.close()
    return found


def test_the_overview_follows_the_log_from_where_it_was_read(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))
    (live,) = followed(one_desk, "/")

    one_desk.send("clinic", wms("visit-1", 1, "CONFIGURATION_LOADED"))

    assert live == "/live?after=1"
    assert b"id: 2\n" in first_message(one_desk, live)


@pytest.mark.parametrize("kind", ["sessions", "measurements", "actions", "devices", "registrations"])
def test_a_thing_follows_what_it_is_made_of_alone(one_desk: Desk, kind: str):
    registration = {"registrationId": "r", "sessionId": "s", "userId": "u", "packageName": "p", "serverUrls": ["u"]}
    stamp = {"timestamp": "2023-11-14T22:00:00.000Z"}
    scan = wms("visit-1", 0, "MEASUREMENT_STARTED")
    made = {
        "sessions": ("clinic", scan, wms("visit-1", 1, "LOW_SNR")),
        "measurements": ("clinic", scan, wms("visit-1", 1, "LOW_SNR")),
        "actions": ("energy", pushed("a-1"), pushed("a-1", event="push.failed")),
        "registrations": (
            "captions",
            {"type": "server_registration", **registration, **stamp},
            {"type": "server_registration", **registration, "timestamp": "2023-11-14T22:01:00.000Z"},
        ),
    }
    source, first, second = made.get(kind, ("energy", pushed("a-1"), pushed("a-2")))
    one_desk.send(source, first, key="1")
    (live,) = followed(one_desk, f"/{kind}/{one_desk.get(f'/v1/{kind}')['data'][0]['id']}")
    one_desk.send("older", start("ann@example.com"))

    _, position = one_desk.send(source, second, key="2")

    assert live.startswith(f"/{kind}/")
    if kind != "devices":  # a device's own events tell of its connection, not of actions
        assert first_message(one_desk, live).startswith(b"retry: 1000\nid: %d\n" % position)


def test_an_open_measurement_is_not_told_what_it_shows_already(one_desk: Desk):
    for number, kind in enumerate(("MEASUREMENT_STARTED", "LOW_SNR", "PAGE_UNLOADED")):
        one_desk.send("clinic", wms("visit-1", number, kind))
    (one,) = one_desk.get("/v1/measurements")["data"]

    (live,) = followed(one_desk, f"/measurements/{one['id']}")

    assert live.endswith("/live?after=3")


def test_the_past_is_not_followed(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))
    (one,) = one_desk.get("/v1/sessions")["data"]

    assert followed(one_desk, f"/sessions/{one['id']}?known_at=22:14") == []
