"""Whatever a handler does, its sender has an answer, none looks whole that is not, and the session knows."""

import socket
from contextlib import suppress
from http.client import HTTPException, IncompleteRead
from threading import Event

import pytest

from adapters.server.handlers import handler as asked
from tests.support.handler import PATIENCE, Handler, endless, reset
from tests.support.proxied import proxied

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


def outcome_of(house, behind, **more):
    """Status, and the failure that the session was told of."""
    with proxied(house, behind, **more) as proxy:
        status = proxy.deliver()
        _, outcome = proxy.recorded(2)
        assert proxy.session()["state"] == "failed"
    assert outcome["type"] == "handler_failed"
    return status, outcome["data"]["failure"]


@pytest.mark.parametrize(
    "answer",
    [
        reset,
        BEGUN + b"half",
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=["reset", "half", "nothing", "another protocol", "bad length", "bad chunk", "endless head", "switches"],
)
def test_an_answer_that_is_none_is_a_502(small_house, behind: Handler, answer):
    def say(connection: socket.socket) -> None:
        connection.sendall(answer)

    behind.answer = answer if callable(answer) else say

    assert outcome_of(small_house, behind) == (502, "broken")


def test_a_handler_that_is_down_is_a_502(small_house, behind: Handler):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    assert outcome_of(small_house, behind, url=f"http://127.0.0.1:{port}") == (502, "unreachable")


@pytest.mark.parametrize(
    "some", [b"", b"HTTP/1.1 200 OK\r\n", BEGUN + b"half"], ids=["silent", "in the head", "in the body"]
)
def test_a_handler_that_hangs_is_a_504(small_house, behind: Handler, some):
    behind.answer = behind.hang_after(some)

    assert outcome_of(small_house, behind, within=0.3) == (504, "slow")


def test_an_answer_without_end_is_cut_off_and_its_sender_sees_it(small_house, behind: Handler, monkeypatch):
    monkeypatch.setattr(asked, "MOST_ANSWER", 1 << 20)
    behind.answer = endless

    with proxied(small_house, behind) as proxy:
        with pytest.raises((IncompleteRead, HTTPException, ConnectionError)):
            proxy.deliver()
        _, outcome = proxy.recorded(2)
        assert proxy.session()["state"] == "failed"

    assert (outcome["data"]["failure"], outcome["data"]["status"]) == ("oversized", 200)


def test_what_is_passed_on_without_end_ends_when_nobody_takes_it(small_house, behind: Handler):
    given_up = Event()

    def go_on(connection: socket.socket) -> None:
        with suppress(OSError):
            endless(connection)
        given_up.set()

    behind.answer = go_on
    with proxied(small_house, behind) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"GET /in/captions/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"

        assert given_up.wait(PATIENCE)


def test_a_sender_that_has_left_keeps_nobody_from_being_told(small_house, behind: Handler):
    behind.answer = behind.hang
    with proxied(small_house, behind) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as sender:
            body = (
                b'{"type":"stop_request","sessionId":"s","userId":"u","reason":"x","timestamp":"2023-11-14T22:00:00Z"}'
            )
            sender.sendall(b"POST /in/captions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            behind.next()
        behind.let_go.set()
        *_, outcome = proxy.recorded(2)

    assert outcome["type"] == "handler_succeeded"
