"""What an app tells of its action is an event like any other."""

import pytest

from adapters.providers import REPORTED_STATES, read_report, report_body
from core.event import Reading, Unreadable

NOON = 1_757_505_600_000_000


@pytest.mark.parametrize("state", sorted(REPORTED_STATES))
def test_what_was_told_is_read_back(state):
    body = report_body("act/ü-1", state, NOON)

    data = {"told": True, "action_id": "act/ü-1"}
    assert read_report(body) == Reading("action", "act/ü-1", state, None, NOON, data)
    assert report_body("act/ü-1", state, NOON) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        report_body("act-1", "completed", NOON),
        report_body("", "scheduled", NOON),
        report_body("x" * 513, "scheduled", NOON),
        b'{"told": ["scheduled"], "action_id": "act-1", "occurred_at": 1}',
        b'{"told": "scheduled", "action_id": "act-1", "occurred_at": "now"}',
        b'{"told": "scheduled", "action_id": "act-1", "occurred_at": true}',
    ],
)
def test_another_body_is_unreadable(body):
    assert isinstance(read_report(body), Unreadable)
