"""Flask's threads beside the event loop."""

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from threading import Event
from typing import Any

import pytest

from adapters.http import ENDING, Answer
from adapters.server import Bridge
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody
from adapters.server.processes.threads import SHARED

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def answered(application: Application, target: str, body: bytes | int = b"") -> Answer:
    """What a thread answers to a request."""

    async def run() -> Answer:
        bridge = Bridge(application, 1, ("127.0.0.1", 8400))
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        headers = [("host", "example.com"), ("accept", "a"), ("accept", "b"), ("content-length", "1")]
        bridge.answer(Request("GET", target, "1.1", headers, body, last=False), told.set_result)
        answer: Answer = await told
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


@pytest.mark.parametrize(("bound", "most"), [("MOST_ASKED", 2), ("MOST_ASKED_BYTES", 200)])
def test_questions_that_wait_have_bounds_and_what_comes_beyond_them_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
):
    monkeypatch.setattr(f"adapters.server.bridge.{bound}", most)
    go_on = Event()

    def application(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        go_on.wait(10)
        start("200 OK", [])
        return []

    async def run() -> list[int]:
        bridge = Bridge(application, 1, ("127.0.0.1", 8400))
        told = [asyncio.get_running_loop().create_future() for _ in range(3)]
        for one in told:
            bridge.answer(Request("GET", "/", "1.1", [], b"", last=False, weight=100), one.set_result)
        assert [one.done() for one in told] == [False, False, True]
        go_on.set()
        answers = await asyncio.gather(*told)
        later = asyncio.get_running_loop().create_future()
        bridge.answer(Request("GET", "/", "1.1", [], b"", last=False, weight=100), later.set_result)
        answers.append(await later)
        bridge.close()
        return [answer.status for answer in answers]

    assert asyncio.run(run()) == [200, 200, 503, 200]


class Made:
    """An answer in pieces as a thread makes it, taken as a connection does."""

    def __init__(self, method: str = "GET") -> None:
        self.request = Request(method, "/", "1.1", [("host", "example.com")], b"", last=False)
        self.taken: list[bytes] = []
        self.closed = False
        self.answers: list[Any] = []

    def run(self, pieces: Iterable[bytes], take: Callable[[StreamingBody], object], headers: Any = ()) -> None:
        """Until the thread has ended. `take` is called in the event loop with each piece that came."""

        def application(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            start("200 OK", list(headers))
            return self._closing(pieces)

        async def run() -> None:
            bridge = Bridge(application, 1, ("127.0.0.1", 8400))
            ended = asyncio.Event()

            def respond(answer: Any) -> None:
                self.answers.append(answer)
                if isinstance(answer, StreamingBody):
                    answer.send = partial(self._take, take, answer)
                else:
                    ended.set()

            bridge.answer(self.request, respond)
            await asyncio.wait_for(ended.wait(), 10)
            bridge.close()

        asyncio.run(run())

    def _take(self, take: Callable[[StreamingBody], object], pieces: StreamingBody, piece: bytes) -> None:
        self.taken.append(piece)
        take(pieces)

    def _closing(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from pieces
        finally:
            self.closed = True


def test_what_has_no_length_is_handed_over_piece_by_piece():
    made = Made()

    made.run([b"one", b"", b"two"], StreamingBody.resume, [("x-name", "value")])

    begun, behind = made.answers
    assert (begun.status, begun.headers, behind) == (200, [("x-name", "value")], None)
    assert made.taken == [b"one", b"two"]
    assert made.closed


@pytest.mark.parametrize(("method", "headers"), [("HEAD", []), ("GET", [("Content-Length", "6")])])
def test_what_has_a_length_or_no_body_is_one_answer(method: str, headers: list[tuple[str, str]]):
    made = Made(method)

    made.run([b"one", b"two"], StreamingBody.resume, headers)

    assert made.answers == [Answer(200, headers, b"onetwo")]


def test_nothing_is_made_before_the_last_piece_is_taken():
    made = Made()
    ahead: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(5):
            ahead.append(number - len(made.taken))
            yield b"%d" % number

    made.run(pieces(), lambda flow: asyncio.get_running_loop().call_later(0.01, flow.resume))

    assert ahead == [0] * 5


def test_who_makes_pieces_for_nobody_is_closed():
    made = Made()

    def take(pieces: StreamingBody) -> None:
        made.request.ending = True
        pieces.resume()

    made.run(iter(lambda: b"again", b""), take)

    assert made.taken == [b"again"]
    assert made.closed


def test_pieces_that_fail_are_ended_by_the_failure(capsys: pytest.CaptureFixture[str]):
    made = Made()

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("ann@example.com")

    made.run(pieces(), StreamingBody.resume)

    assert [type(answer) for answer in made.answers] == [StreamingBody, Answer]
    assert made.closed


def test_an_application_can_ask_whether_anybody_waits():
    seen: dict[str, Any] = {}

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        seen.update(environ)
        start("204 No Content", [])
        return []

    answered(application, "/")

    assert seen[ENDING]() is False


def test_an_application_that_fails_is_answered_for(capsys: pytest.CaptureFixture[str]):
    def application(_environ: dict[str, Any], _start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("ann@example.com")

    answer = answered(application, "/v1/sessions")

    assert answer.status == 500
    assert b"ann" not in answer.body
