"""What is committed goes on to the handler as it came, and the handler's answer back as it is."""

import hashlib
import json
from http.client import HTTPConnection

import pytest

from adapters.providers import sign_wms
from tests.support.handler import FINE, PATIENCE
from tests.support.house import SECRET, House, start, stop, wms
from tests.support.proxied import BODY, proxied

SIGNED = sign_wms(SECRET, b"")


def body_of(document):
    return json.dumps(document).encode()


def test_the_handler_gets_the_request_byte_for_byte_and_no_line_about_the_connection(small_house, behind):
    body = body_of(wms("café", 0))
    mac = sign_wms(SECRET, body)["x-wms-content-mac"]
    raw = b"X-Raw: caf\xe9\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nTE: trailers\r\nHookfold-Verdict: x\r\n"

    with proxied(small_house, behind, url=behind.url + "/hooks") as proxy:
        connection = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
        connection.connect()
        connection.sock.sendall(
            b"POST /in/clinic?region=eu%2F1&a=b HTTP/1.1\r\nHost: hooks.example.com\r\n"
            + raw
            + f"X-WMS-Content-MAC: {mac}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        heard = behind.next()
        connection.close()

    assert heard.first == b"POST /hooks?region=eu%2F1&a=b HTTP/1.1"
    assert heard.body == body
    assert heard.headers == {
        b"host": behind.url.removeprefix("http://").encode(),
        b"x-raw": b"caf\xe9",
        b"x-wms-content-mac": mac.encode(),
        b"hookfold-verdict": b"new",
        b"hookfold-position": b"1",
        b"content-length": str(len(body)).encode(),
    }


def test_what_mentraos_appends_goes_on_whatever_is_behind_it(small_house, behind):
    with proxied(small_house, behind) as proxy:
        for path in ("/in/captions/webhook?x=1", "/in/captions", "/in//captions/webhook/webhook/"):
            proxy.deliver(path=path)

    firsts = [behind.next().first for _ in range(3)]
    assert firsts == [b"POST /webhook?x=1 HTTP/1.1", b"POST / HTTP/1.1", b"POST /webhook HTTP/1.1"]


@pytest.mark.parametrize("status", [200, 204, 299, 302, 400, 500])
def test_an_answer_goes_back_as_it_is_and_no_redirect_is_followed(small_house, behind, status):
    body = b"" if status == 204 else b"\x1f\x8bnot text"
    length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(body)
    lines = (
        b"Location: /elsewhere\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\nDate: yesterday\r\n"
    )
    hop = b"Connection: close, x-hop\r\nX-Hop: 1\r\n"
    behind.answer = b"HTTP/1.1 %d Whatever\r\n" % status + lines + hop + length + b"\r\n" + body

    with proxied(small_house, behind) as proxy:
        got, headers, content = proxy.ask("POST", "/in/captions/webhook", BODY)

    assert (got, content) == (status, body)
    assert [(name.lower(), value) for name, value in headers if name.lower() != "content-length"] == [
        ("location", "/elsewhere"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-encoding", "gzip"),
        ("date", "yesterday"),
    ]
    assert behind.heard.qsize() == 1


def test_the_session_knows_what_its_handler_did(house: House, behind):
    with proxied(house, behind) as proxy:
        behind.answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nsorry"
        assert proxy.deliver() == 500
        request, failed = proxy.recorded(2)
        state = proxy.session()["state"]

        behind.answer = FINE
        assert proxy.deliver() == 200
        _, _, succeeded = proxy.recorded(2)
        again = proxy.session()["state"]

        assert proxy.deliver(body_of(stop("ann"))) == 200
        proxy.recorded(2)
        ended = proxy.session()["state"]
    first, second, third = (behind.next() for _ in range(3))

    assert (state, again, ended) == ("failed", "active", "stopped")
    assert (failed["type"], succeeded["type"]) == ("handler_failed", "handler_succeeded")
    assert {failed["session_id"], succeeded["session_id"]} == {request["session_id"]}
    told = failed["data"]
    assert told["key"] == request["key"]
    assert (told["status"], told["size"], told["answer"], told["verdict"]) == (500, 5, "sorry", "new")
    assert told["sha256"] == hashlib.sha256(b"sorry").hexdigest()
    assert told["latency_ms"] > 0
    assert succeeded["data"]["verdict"] == "duplicate"
    assert [one.headers[b"hookfold-verdict"] for one in (first, second, third)] == [b"new", b"duplicate", b"new"]
    assert first.body == second.body == BODY


def test_the_outcome_of_a_webhook_that_is_no_sessions_is_an_entry_of_our_own(house: House, behind):
    with proxied(house, behind) as proxy:
        assert proxy.scan(body_of(wms("scan", 0))) == 200
        scan, outcome = proxy.recorded(2)

        assert (outcome["source"], outcome["type"]) == ("hookfold", "forwarded")
        data = outcome["data"]
        assert (data["source"], data["position"], data["status"]) == ("clinic", scan["position"], 200)
        assert (data["size"], data["sha256"]) == (20, hashlib.sha256(b'{"status":"success"}').hexdigest())
        assert proxy.session()["anomalies"] == []


def test_a_large_answer_streams_and_its_beginning_is_kept(small_house, behind):
    body = bytes(range(256)) * 4_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body) // 4, body[i : i + len(body) // 4]) for i in range(0, len(body), len(body) // 4)
    )
    behind.answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"

    with proxied(small_house, behind) as proxy:
        status, _, content = proxy.ask("POST", "/in/captions/webhook", BODY)
        _, outcome = proxy.recorded(2)

    assert (status, content == body) == (200, True)
    data = outcome["data"]
    assert (data["size"], data["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert len(data["answer_base64"]) == 4 * -(-65_536 // 3)


def test_what_is_not_authentic_stays_outside_unless_it_is_only_observed(small_house, behind):
    with proxied(small_house, behind) as proxy:
        enforced = proxy.scan(b"{}", signed=False)
    with proxied(small_house, behind, observe=True) as proxy:
        observed = proxy.scan(b'{"observed":1}', signed=False)
        refused = proxy.ask("POST", "/in/clinic", b"", {})[0]
        events = proxy.recorded(2)

    assert (enforced, observed, refused) == (401, 200, 400)
    heard = behind.next()
    assert (heard.body, heard.headers[b"hookfold-verdict"]) == (b'{"observed":1}', b"rejected")
    assert b"hookfold-position" not in heard.headers
    assert behind.heard.empty()
    assert events == []
    reasons = [one["reason"] for one in small_house.get("/v1/rejections")["data"]]
    assert sorted(reasons) == ["empty", "signature_missing", "signature_missing"]


def test_what_cannot_be_committed_is_not_handed_on(small_house, behind):
    with proxied(small_house, behind) as proxy:
        proxy.link.away = True
        assert proxy.deliver() == 503

    assert behind.heard.empty()


def test_beyond_the_ceiling_a_delivery_is_recorded_and_told_to_come_again(small_house, behind):
    with proxied(small_house, behind, most=1) as proxy:
        behind.answer = behind.hang
        held = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
        held.request("POST", "/in/captions/webhook", BODY)
        behind.next()

        status, headers, _ = proxy.ask("POST", "/in/captions/webhook", body_of(stop("ann")))
        *_, outcome = proxy.recorded(3)
        behind.let_go.set()
        first = held.getresponse().status
        held.close()

    assert (status, dict(headers)["retry-after"], first) == (503, "2", 200)
    assert (outcome["type"], outcome["data"]["failure"]) == ("handler_failed", "busy")
    assert behind.heard.empty()


def test_what_the_cloud_asks_beside_webhooks_passes_unrecorded(small_house, behind):
    behind.answer = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"healthy"}'
    with proxied(small_house, behind) as proxy:
        health = proxy.ask("GET", "/in/captions/health?deep=1")
        tool = proxy.ask("POST", "/in/captions/tool", b'{"toolId":"x"}', {"content-type": "application/json"})
        photo = proxy.ask("POST", "/in/captions/photo-upload", b"--b--", {"content-type": "multipart/form-data; b=b"})
        others = [
            proxy.ask("GET", path)[0]
            for path in ("/in/captions/secret", "/in/captions/tool/../admin", "/in/clinic/health", "/in/nobody/tool")
        ]

    assert [one[0] for one in (health, tool, photo)] == [200, 200, 200]
    assert health[2] == b'{"status":"healthy"}'
    asked = [behind.next() for _ in range(3)]
    assert [one.first for one in asked] == [
        b"GET /health?deep=1 HTTP/1.1",
        b"POST /tool HTTP/1.1",
        b"POST /photo-upload HTTP/1.1",
    ]
    assert [one.body for one in asked] == [b"", b'{"toolId":"x"}', b"--b--"]
    assert others == [404] * 4
    assert small_house.get("/v1/deliveries")["data"] == []


def test_a_session_that_would_connect_elsewhere_reaches_nobody(small_house, behind):
    with proxied(small_house, behind, hosts=("other.example.com",)) as proxy:
        refused = proxy.deliver()
        allowed = proxy.deliver(body_of(start("ann") | {"mentraOSWebsocketUrl": "wss://other.example.com/app-ws"}))

    assert (refused, allowed) == (403, 200)
    assert behind.heard.qsize() == 1
    (rejected,) = small_house.get("/v1/rejections")["data"]
    assert (rejected["status"], rejected["reason"]) == (403, "websocket_host")
