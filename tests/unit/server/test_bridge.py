"""Flask's threads beside the event loop."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest

from adapters.http import Answer
from adapters.server import SHARED, Bridge
from adapters.server.reader import Request

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def answered(application: Application, target: str, body: bytes | int = b"") -> Answer:
    """What a thread answers to a request."""

    async def run() -> Answer:
        bridge = Bridge(application, 1, ("127.0.0.1", 8400))
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        headers = [("host", "example.com"), ("accept", "a"), ("accept", "b"), ("content-length", "1")]
        bridge.answer(Request("GET", target, "1.1", headers, body, last=False), told.set_result)
        answer = await told
        bridge.close()
        return answer

    return asyncio.run(run())


def test_a_thread_keeps_the_interpreter_for_short_while_it_answers_and_the_loop_as_usual_otherwise():
    usual = sys.getswitchinterval()
    seen = []

    def application(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(sys.getswitchinterval())
        start("200 OK", [])
        return [b"content"]

    answer = answered(application, "/v1/sessions")

    assert seen == [pytest.approx(SHARED)]
    assert sys.getswitchinterval() == usual
    assert answer == Answer(200, [], b"content")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/sessions?limit=1&x=%2F", "/v1/sessions", "limit=1&x=%2F"),
        ("/v1/a%2Fb%C3%A9", "/v1/a/b\xc3\xa9", ""),
        ("http://example.com/v1/sessions?a=b", "/v1/sessions", "a=b"),
        ("http://example.com", "/", ""),
        ("/v1/x?of=http://example.com/", "/v1/x", "of=http://example.com/"),
        ("*", "*", ""),
    ],
)
def test_a_target_becomes_path_and_query(target: str, path: str, query: str):
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ)
        start("204 No Content", [])
        return []

    answered(application, target)

    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == (path, query)
    assert (seen["HTTP_ACCEPT"], seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("a,b", "127.0.0.1", "8400")


@pytest.mark.parametrize(("body", "length", "content"), [(b"abc", "3", b"abc"), (10**9, "1000000000", b"")])
def test_a_body_that_was_too_large_has_its_length_and_nothing_else(body: bytes | int, length: str, content: bytes):
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ)
        start("413 Too Large", [])
        return []

    answered(application, "/v1/actions", body)

    assert seen["CONTENT_LENGTH"] == length
    assert isinstance(seen["wsgi.input"], BytesIO)
    assert seen["wsgi.input"].read() == content


def test_an_application_that_fails_is_answered_for(capsys: pytest.CaptureFixture[str]):
    def application(_environ: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("ann@example.com")

    answer = answered(application, "/v1/sessions")

    assert answer.status == 500
    assert b"ann" not in answer.body
