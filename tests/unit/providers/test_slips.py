"""What was meant by names that no provider documents."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.providers import PROVIDERS, build, spelling_hint

SECRET = SimpleNamespace(ref="env:SECRET", value="whsec_" + "c2VjcmV0" * 4)


def hint(provider: str, document: Any) -> str | None:
    given = {"provider": provider, "secrets": [SECRET], "node_ascii": False, "event_type": None}
    return spelling_hint(PROVIDERS[provider], build(SimpleNamespace(**given)).read, json.dumps(document).encode())


WMS = {"timestamp": 1_700_000_000, "sessionId": "s", "sequence": 0, "event": "WMS_LOADED"}
START = {"type": "session_request", "sessionId": "s", "userId": "u", "timestamp": "2023-11-14T22:00:00Z"}


def without(document: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name} | more


@pytest.mark.parametrize(
    ("provider", "document", "told"),
    [
        ("amps", {"action_id": "a"}, "rename `action_id` to `actionId`: it would then be read as push.completed"),
        (
            "amps",
            {"type": "Push-Failed", "actionId": "a"},
            "rename `Push-Failed` to `push.failed`: it would then be read as push.failed",
        ),
        (
            "amps",
            {"data": {"ActionID": "a"}},
            "rename `ActionID` to `actionId`: it would then be read as push.completed",
        ),
        (
            "wms",
            without(WMS, "sessionId", session_id="s"),
            "rename `session_id` to `sessionId`: it would then be read as WMS_LOADED",
        ),
        (
            "wms",
            WMS | {"event": "wms.loaded"},
            "rename `wms.loaded` to `WMS_LOADED`: it would then be read as WMS_LOADED",
        ),
        (
            "wms",
            WMS | {"event": "SCAN_COMPLETED", "payload": {"measurement_id": "m"}},
            "rename `measurement_id` to `measurementId`: it would then be read as SCAN_COMPLETED",
        ),
        (
            "mentraos",
            without(START, "userId", user_id="u"),
            "rename `user_id` to `userId`: it would then be read as session_request",
        ),
        (
            "wms",
            {"session_id": "s", "Sequence": 1},
            "rename `session_id` to `sessionId`, `Sequence` to `sequence`",
        ),
        (
            "amps",
            {"action_id": 42},
            (
                "rename `action_id` to `actionId`; "
                "but actionId is not an id: a string of 1 to 512 characters, without NUL and lone surrogates"
            ),
        ),
    ],
)
def test_a_name_that_differs_in_case_and_separators_is_told_with_what_it_would_be_read_as(
    provider: str, document: Any, told: str
):
    assert hint(provider, document) == told


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        ("amps", {"action": "a", "ann@example.com": 1, "": 2, "_" * 1_000: 3}),
        ("wms", WMS | {"event": "MEASUREMENT_PAUSED"}),
        ("wms", WMS | {"session_id": "another one beside it"}),
        ("wms", [WMS]),
        ("mentraos", {"typé": "session_request"}),
    ],
)
def test_nothing_is_told_of_names_that_nobody_can_have_meant(provider: str, document: Any):
    assert hint(provider, document) is None


def test_a_body_that_is_no_json_is_no_slip():
    assert spelling_hint(PROVIDERS["wms"], lambda _: None, b"{not json") is None  # type: ignore[arg-type, return-value]
