"""What a handler did is in the log like any other event: read again, folded again, proven, exported."""

import json

from adapters.providers import Outcome, outcome_body, read_outcome, sign_svix
from adapters.server.handlers import forwarding
from core.event import Reading, Unreadable
from tests.support.handler import Handler
from tests.support.house import SECRET, House, pushed, wms
from tests.support.proxied import proxied
from tests.support.receivers import svix_webhook


def test_an_outcome_is_read_as_it_was_written():
    outcome = Outcome(began=1_000_000, ended=1_250_000, status=200, size=3, beginning=b"\xff\x00a")

    read = read_outcome(outcome_body(outcome, "ann-com.example.captions", b"\x01\x02", "new"))

    assert isinstance(read, Reading)
    assert (read.kind, read.provider_id, read.type, read.occurred_at) == (
        "session",
        "ann-com.example.captions",
        "handler_succeeded",
        1_250_000,
    )
    assert read.data["key"] == "0102"
    assert (read.data["attempt"], read.data["latency_ms"], read.data["answer_base64"]) == (1_000_000, 250.0, "/wBh")
    assert "failure" not in read.data


def test_what_is_no_outcome_is_told_as_that():
    for body in (b"", b"{}", b"[]", b'{"type":"handler_succeeded"}', b'{"type":"x","at":1,"session_id":"s"}'):
        assert isinstance(read_outcome(body), Unreadable)


def test_an_outcome_that_could_not_be_committed_is_tried_again(small_house: House, behind: Handler, monkeypatch):
    monkeypatch.setattr(forwarding, "AGAIN", (0.0, 0.01, 0.01))
    with proxied(small_house, behind) as proxy:
        proxy.link.refused = {"handler_succeeded": 2}
        assert proxy.deliver() == 200
        events = proxy.recorded(2)

    assert [one["type"] for one in events] == ["session_request", "handler_succeeded"]


def test_one_that_can_not_is_told_in_a_line_without_what_is_personal(small_house, behind: Handler, monkeypatch, capsys):
    monkeypatch.setattr(forwarding, "AGAIN", (0.0, 0.01))
    with proxied(small_house, behind) as proxy:
        proxy.link.refused = {"handler_succeeded": 9}
        assert proxy.deliver() == 200
        (request,) = proxy.recorded(1)

    told = capsys.readouterr().out
    assert request["type"] == "session_request"
    assert "outcome_lost" in told
    assert "ann" not in told


def test_a_timeline_and_why_tell_of_the_handler_and_a_late_outcome_stands_behind_its_webhook(house: House, behind):
    behind.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with proxied(house, behind) as proxy:
        proxy.deliver()
        proxy.recorded(2)
        session = proxy.session()["id"]

    steps = house.get(f"/v1/sessions/{session}/timeline")["data"]
    why = house.get(f"/v1/sessions/{session}/why")

    assert [(one["type"], one["to"]) for one in steps] == [("session_request", "active"), ("handler_failed", "failed")]
    assert why["state"] == "failed"
    assert [one["type"] for one in why["chain"]][-1] == "handler_failed"


def test_a_handler_may_verify_again_what_hookfold_verified(small_house: House, behind: Handler):
    body = json.dumps(pushed("a-1")).encode()
    with proxied(small_house, behind, sources=("energy",)) as proxy:
        headers = sign_svix(SECRET, "msg_1", proxy.now(), body)
        assert proxy.ask("POST", "/in/energy", body, headers)[0] == 200
        heard = behind.next()

    names = {name.decode(): value.decode() for name, value in heard.headers.items()}
    svix_webhook(SECRET).verify(heard.body, names)
    assert heard.body == body


def test_a_handler_that_fails_is_told_in_a_line_a_minute_for_each_source_and_outcome(small_house, behind, capsys):
    behind.answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
    body = json.dumps(wms("scan", 0)).encode()

    with proxied(small_house, behind) as proxy:
        assert [proxy.scan(body), proxy.scan(body), proxy.deliver()] == [500, 500, 500]
        proxy.recorded(6)

    clinic, captions = [line for line in capsys.readouterr().out.splitlines() if "handler_failed " in line]
    assert "source=clinic" in clinic
    assert "outcome=5xx" in clinic
    assert "status=500" in clinic
    assert "/v1/events?source=hookfold&type=forwarded" in clinic
    assert "/v1/events?source=captions&type=handler_failed" in captions
