"""What the suite looks for in every log line and metric is found where it is."""

import pytest

from tests.support.leaks import leaks


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "x", "path": "/in/ann@example.com"}',
        '{"event": "x", "body": "{\\"sessionId\\": 1}"}',
        '{"event": "x", "detail": "hmac-sha256=0af"}',
        '{"event": "x", "detail": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}',
        '{"event": "x", "detail": "my own secret"}',
    ],
)
def test_a_line_that_tells_too_much_is_found(line: str):
    assert leaks(f'{{"event": "listening"}}\n{line}\n', ["my own secret"])


@pytest.mark.parametrize("fault", ["sessionId is missing", "actionId is not an id: a", "payload has no measurementId"])
def test_a_fault_that_names_a_field_alone_is_no_body(fault: str):
    assert leaks(f'{{"event": "misread", "fault": "{fault}"}}') == []


def test_lines_as_they_are_meant_are_taken():
    line = '{"event": "rejected", "reason": "signature_mismatch", "mend": "why: /v1/rejections?source=clinic"}'

    assert leaks(f"{line}\nhookfold_log_position 5.0\n") == []
