"""What an app tells of its action is an event like any other."""

import pytest

from adapters.providers import TOLD_STATES, read_told, told
from core.event import Reading, Unreadable

NOON = 1_757_505_600_000_000


@pytest.mark.parametrize("state", sorted(TOLD_STATES))
def test_what_was_told_is_read_back(state):
    body = told("act/ü-1", state, NOON)

    data = {"told": True, "action_id": "act/ü-1"}
    assert read_told(body) == Reading("action", "act/ü-1", state, None, NOON, data)
    assert told("act/ü-1", state, NOON) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        told("act-1", "completed", NOON),
        told("", "scheduled", NOON),
        told("x" * 513, "scheduled", NOON),
        b'{"told": ["scheduled"], "action_id": "act-1", "occurred_at": 1}',
        b'{"told": "scheduled", "action_id": "act-1", "occurred_at": "now"}',
        b'{"told": "scheduled", "action_id": "act-1", "occurred_at": true}',
    ],
)
def test_another_body_is_unreadable(body):
    assert isinstance(read_told(body), Unreadable)
