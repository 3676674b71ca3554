"""How a delivery may travel: sizes, chunks, encodings, methods, and clients that stall or leave."""

import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from adapters.providers import sign_wms
from tests.support.logs import wms
from tests.support.raw import Header, answer_on, chunked, connected, exchange, request
from tests.support.service import WMS_SECRET, Service

LIMIT = 262_144
LONGEST_WAIT = 30.0
CLOSE: list[Header] = [("Connection", "close")]


def test_an_empty_body_is_refused_and_kept(door: Service):
    for path in ("/in/clinic", "/in/captions"):
        answer = door.send("POST", path)

        assert (answer.status, answer.json["message"]) == (400, "the body is empty")
        assert newest(door)["reason"] == "empty"


def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(door: Service, name: str):
    fits, over = padded(name, LIMIT), padded(name, LIMIT + 1)

    assert door.glasses(fits).status == 200
    refused = exchange(door.port, request("/in/captions", over, CLOSE))

    assert refused.status == 413
    assert (newest(door)["reason"], newest(door)["size"]) == ("too_large", LIMIT + 1)


def test_a_chunked_body_is_taken_up_to_the_limit_and_refused_above_it_never_cut(door: Service, name: str):
    fits = exchange(door.port, chunked("/in/captions", padded(name, LIMIT), CLOSE, size=10_000))
    over = exchange(door.port, chunked("/in/captions", padded(name, LIMIT + 1), CLOSE, size=10_000))

    assert fits.status == 200
    assert over.status == 413
    assert newest(door)["reason"] == "too_large"
    assert sizes(door, name) == [LIMIT]


def test_a_body_in_chunks_of_one_byte_arrives_whole(door: Service, name: str):
    body = padded(name, 3_000)

    answer = exchange(door.port, chunked("/in/captions", body, CLOSE))

    assert answer.status == 200
    assert sizes(door, name) == [3_000]


def test_a_chunked_body_that_breaks_off_is_refused_though_what_came_could_be_read(door: Service, name: str):
    body = padded(name, 300)

    for end in (b"", b"zz\r\n", b"5\r\nab", b"-1\r\n\r\n"):
        answer = exchange(door.port, chunked("/in/captions", body, CLOSE, size=300, end=end), end=True)

        assert answer.status in (0, 400), end
    assert sizes(door, name) == []


def test_a_body_shorter_than_its_declared_length_is_refused(door: Service, name: str):
    body = padded(name, 300)

    answer = exchange(door.port, request("/in/captions", body, CLOSE, length=400), end=True)

    assert answer.status in (0, 400)
    assert sizes(door, name) == []


def test_a_length_beside_chunks_does_not_lift_the_limit(front: Service, name: str):
    framed = chunked("/in/captions", padded(name, LIMIT + 1), [*CLOSE, ("Content-Length", "10")], size=10_000)

    answer = exchange(front.port, framed)

    assert answer.status in (400, 413)
    assert sizes(front, name) == []


@pytest.mark.parametrize("length", ["9" * 19, "9" * 30, "-1", "+5", "5, 6", "0x10", "five", "1e3"])
def test_a_length_that_is_none_or_too_much_is_refused(front: Service, length: str):
    answer = exchange(front.port, request("/in/captions", b"{}", CLOSE, length=length))

    assert answer.status in (400, 413)


def test_a_compressed_body_is_never_inflated(door: Service, name: str):
    bomb = gzip.compress(b"0" * 20_000_000)

    for body in (gzip.compress(padded(name, 300)), bomb):
        for encoding in ("gzip", "GZIP", "x-gzip", "deflate", "br", "identity, gzip"):
            answer = door.send("POST", "/in/captions", body, {"content-encoding": encoding})

            assert (answer.status, newest(door)["reason"]) == (415, "content_encoding"), encoding
    assert sizes(door, name) == []


FOREIGN = "application/x-www-form-urlencoded multipart/form-data;boundary=x text/xml application/soap+xml".split()


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_form_and_xml_are_refused_by_their_name(door: Service, name: str, kind: str):
    answer = door.send("POST", "/in/captions", padded(name, 300), {"content-type": kind})

    assert (answer.status, newest(door)["reason"]) == (415, "content_type")


@pytest.mark.parametrize("kind", ["", "application/json; charset=utf-8", "text/plain", "application/octet-stream"])
def test_json_is_read_as_json_whatever_else_it_is_called(door: Service, name: str, kind: str):
    answer = door.send("POST", "/in/captions", padded(name, 300), {"content-type": kind} if kind else {})

    assert (answer.status, answer.headers["hookfold-verdict"]) == (200, "new")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_delivers(door: Service, method: str):
    for path in ("/in/clinic", "/in/clinic/webhook"):
        answer = door.send(method, path)

        assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["%s/", "%s//webhook", "%s/webhook/", "/%s/webhook", "%s/webhook/webhook", "%s%%2Fwebhook"]
)
def test_a_slip_with_slashes_is_taken_for_what_it_means(door: Service, name: str, path: str):
    answer = door.send("POST", "/in/" + path % "captions", padded(name, 300))

    assert (answer.status, answer.headers["hookfold-verdict"]) == (200, "new")
    refused = door.send("GET", "/in/" + path % "captions")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")


def test_an_unknown_source_is_answered_like_every_unknown_one(door: Service):
    paths = [
        "/in/nobody",
        "/in/hookfold",
        "/in/Clinic",
        "/in/",
        "/in//",
        "/in/clinic/x",
        "/in/nobody/webhook",
        "/in//x",
    ]
    answers = [door.send(method, path, b"{}") for method in ("POST", "GET", "TRACE") for path in paths]

    assert {(answer.status, answer.body) for answer in answers} == {
        (404, b'{"status":"error","message":"no such source"}')
    }


def test_no_path_leads_to_another_one(door: Service):
    """A redirect would be made of the Host header, which anybody may send."""
    paths = ["/", "//", "/in", "/in//clinic", "/static", "/static/", "//docs", "/docs/", "/openapi.json/", "/metrics/"]
    paths += [re.sub("[{}]", "", path) + "/" for path in door.get("/openapi.json")["paths"]]

    answers = {(method, path): door.send(method, path) for method in ("GET", "POST") for path in paths}

    assert [asked for asked, answer in answers.items() if 300 <= answer.status < 400] == []


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LINK"])
@pytest.mark.parametrize("path", ["/in", "/in/", "/in?x=1", "/in/clinic"])
def test_whatever_is_asked_on_the_ingest_paths_is_answered_in_the_senders_shape(door: Service, method: str, path: str):
    answer = door.send(method, path)

    assert answer.status in {404, 405}
    assert answer.json["status"] == "error"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_the_ingest_path_without_its_slash_is_what_it_is_with_it(door: Service, method: str):
    bare, slashed = door.send(method, "/in"), door.send(method, "/in/")

    assert (bare.status, bare.json, bare.headers["content-type"]) == (404, slashed.json, "application/json")


def test_what_a_client_says_of_a_proxy_changes_nothing(door: Service, name: str):
    door.wms(wms(name, 0))
    door.wms(wms(f"{name}-2", 0))
    claims = {"forwarded": "for=192.0.2.1;host=evil.example.com;proto=https"} | {
        f"x-forwarded-{what}": value
        for what, value in {"for": "192.0.2.1", "host": "evil.example.com", "proto": "https", "prefix": "/x"}.items()
    }

    asked = door.send("GET", "/v1/sessions?limit=1", headers=claims)
    delivered = door.send("POST", "/in/captions", padded(name, 300), claims)

    assert asked.headers["link"].startswith("</v1/sessions?")
    assert b"evil" not in asked.body
    assert delivered.status == 200


def test_a_delivery_may_announce_itself_and_wait_for_a_go_on(front: Service, name: str):
    with connected(front.port) as connection:
        head, _, body = request("/in/captions", padded(name, 300), [*CLOSE, ("Expect", "100-continue")]).partition(
            b"\r\n\r\n"
        )
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)

        answer = answer_on(connection)

    assert answer.status == 200


def test_a_megabyte_of_header_is_refused_by_the_server(door: Service, name: str):
    body = json.dumps(wms(name, 0)).encode()
    headers = [*sign_wms(WMS_SECRET, body).items(), ("User-Agent", "a" * 1_000_000)]

    answer = exchange(door.port, request("/in/clinic", body, headers))

    assert answer.status in (0, 400, 401, 431)
    assert door.get(f"/v1/events?session_id={name}")["data"] == []


def test_headers_that_are_no_ascii_disturb_nobody(door: Service, name: str):
    body = json.dumps(wms(name, 0)).encode()
    odd: list[Header] = [("User-Agent", b"caf\xc3\xa9\xff"), ("X-\xfe".encode("ascii", "ignore").decode(), b"\xe9")]

    answer = exchange(door.port, request("/in/clinic", body, [*sign_wms(WMS_SECRET, body).items(), *odd, *CLOSE]))

    assert answer.status == 200


@pytest.mark.parametrize("bad", [b"a\x00b", b"a\x1b[31m", b"a\rb"])
def test_control_characters_in_a_header_are_no_http(front: Service, bad: bytes):
    answer = exchange(front.port, request("/in/captions", b"{}", [("User-Agent", bad)]))

    assert answer.status == 400


def test_what_is_no_http_is_answered_and_forgotten(front: Service):
    for data in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /in/x\r\n\r\n"):
        answer = exchange(front.port, data, end=True)

        assert answer.status in (0, 400)
    assert front.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize("bad", ["GET /v1/sessions?session_id=\xe9", "GET /v1/sessions?as_of=a b", "F{O /v1/sessions"])
def test_a_question_that_is_no_http_is_answered_with_a_problem(front: Service, bad: str):
    answer = exchange(front.port, f"{bad} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["detail"].startswith("this is no HTTP/1.1: ")


@pytest.mark.parametrize("method", ["FOO", "get", "GETS"])
def test_an_unknown_method_is_told_as_one(front: Service, method: str):
    answer = exchange(front.port, f"{method} /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert (answer.status, answer.headers["content-type"]) == (501, "application/problem+json")


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/v1/nothing", "/in/clinic"])
def test_a_question_that_offers_a_websocket_gets_its_ordinary_answer(door: Service, path: str):
    offer = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": "x", "sec-websocket-version": "13"}

    offering, plain = door.send("GET", path, headers=offer), door.send("GET", path)

    assert (offering.status, offering.body) == (plain.status, plain.body)


def test_a_transfer_coding_that_is_not_known_is_told_as_one(front: Service, name: str):
    body = padded(name, 300)

    for coding in ("gzip, chunked", "identity,chunked"):
        framed = chunked("/in/captions", body, CLOSE, size=100)
        answer = exchange(
            front.port, framed.replace(b"Transfer-Encoding: chunked", f"Transfer-Encoding: {coding}".encode())
        )

        assert (answer.status, answer.json["status"]) == (501, "error")
    assert sizes(front, name) == []


@pytest.mark.parametrize("bad", ["POST /in/clinic?a=\xe9", "POST /in/a b", "GET /in/clinic X"])
def test_a_delivery_that_is_no_http_is_answered_in_its_senders_words(front: Service, bad: str):
    answer = exchange(front.port, f"{bad} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    assert (answer.status, answer.json["status"]) == (400, "error")


def test_requests_in_a_row_on_one_connection_are_answered_in_that_row(front: Service, name: str):
    bodies = [json.dumps(wms(name, number)).encode() for number in range(5)]
    requests = [request("/in/clinic", body, sign_wms(WMS_SECRET, body).items()) for body in bodies]

    with connected(front.port) as connection:
        connection.sendall(b"".join([*requests, request("/in/clinic", b"", CLOSE)]))
        stream = connection.makefile("rb").read()

    assert re.findall(rb"HTTP/1.1 (...)", stream) == [b"200"] * 5 + [b"400"]
    assert sizes(front, name) == [len(body) for body in reversed(bodies)]


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing_behind(door: Service, name: str):
    body = padded(name, 2_000)
    before = door.log.read_text()

    for data in (request("/in/captions", body), chunked("/in/captions", body, size=100)):
        for share in (0.1, 0.5, 0.9):
            with connected(door.port) as connection:
                connection.sendall(data[: int(len(data) * share)])

    assert door.glasses(padded(f"{name}-2", 300)).status == 200
    assert sizes(door, name) == []
    assert door.log.read_text() == before


def test_a_client_that_leaves_before_its_answer_is_recorded_all_the_same(door: Service, name: str):
    with connected(door.port) as connection:
        connection.sendall(request("/in/captions", padded(name, 300)))

    again = door.glasses(padded(name, 300))

    assert again.status == 200
    assert sizes(door, name)[-1] == 300


def test_senders_that_stall_are_cut_off_and_hold_up_nobody(services, name: str):
    door = services["serve-sqlite"]
    body = padded(name, 300)
    silent = [request("/in/captions", body[:200], length=300), chunked("/in/captions", body, size=150)[:-80]] * 20
    stalled = [connected(door.port) for _ in silent]
    for connection, data in zip(stalled, silent, strict=True):
        connection.sendall(data)
    began = monotonic()

    assert all(door.glasses(padded(f"{name}-{number}", 300)).status == 200 for number in range(50))
    assert monotonic() - began < LONGEST_WAIT / 3
    with ThreadPoolExecutor(len(stalled)) as pool:
        answers = list(pool.map(answer_on, stalled))

    assert monotonic() - began < LONGEST_WAIT
    assert {answer.status for answer in answers} == {408}
    assert sizes(door, name) == []
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_a_sender_that_stalls_a_plain_server_holds_up_nobody(services, name: str, backend: str):
    door = services[f"wsgi-{backend}"]
    with connected(door.port) as stalled:
        stalled.sendall(request("/in/captions", b"{", length=300))

        answers = [door.glasses(padded(f"{name}-{number}", 300)).status for number in range(10)]

    assert answers == [200] * 10


def newest(door: Service) -> dict[str, object]:
    """The newest rejection."""
    found: dict[str, object] = door.get("/v1/rejections?limit=1")["data"][0]
    return found


def sizes(door: Service, session: str) -> list[int]:
    """The sizes of all bodies that were recorded for the session, the newest first."""
    events = door.get(f"/v1/events?session_id={session}&limit=100")["data"]
    return [len(door.send("GET", f"/v1/events/{event['position']}/body").body) for event in reversed(events)]


def padded(session: str, size: int) -> bytes:
    """A session_request of so many bytes; what is cut off its end is white space."""
    at = "2026-11-01T10:00:00.000Z"
    document = {"type": "session_request", "sessionId": session, "userId": "ann@example.com", "timestamp": at}
    return json.dumps(document).encode().ljust(size)
