"""Flask's threads beside the event loop."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.server import SHARED, Bridge

SCOPE = SimpleNamespace(
    method="GET",
    path="/v1/sessions",
    query_string="",
    server="127.0.0.1:8400",
    client="127.0.0.1:50000",
    scheme="http",
    http_version="1.1",
    headers={},
)


def test_a_thread_keeps_the_interpreter_for_short_while_it_answers_and_the_loop_as_usual_otherwise():
    usual = sys.getswitchinterval()
    seen, answered = [], []

    def application(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(sys.getswitchinterval())
        start("200 OK", [])
        return [b"content"]

    protocol = SimpleNamespace(response_bytes=lambda *answer: answered.append(answer))
    asyncio.run(Bridge(application, threads=1).respond(SCOPE, protocol, b""))

    assert seen == [pytest.approx(SHARED)]
    assert sys.getswitchinterval() == usual
    assert answered == [(200, [], b"content")]
