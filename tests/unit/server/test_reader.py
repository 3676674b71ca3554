"""Requests arrive whole, however the connection cuts them; what is none is refused, and ends the connection."""

import tracemalloc
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.server.http11 import reader as reader_module
from adapters.server.http11.reader import MOST_HEAD, Reader, Refusal, Request

LIMIT = 100
HOST = ("host", "example.com")
STREAM = (
    b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\nX-Odd:  caf\xc3\xa9 \r\nEmpty:\r\nContent-Length: 3\r\n\r\nabc"
    b"GET /v1/sessions?limit=1 HTTP/1.1\r\nHost: example.com\r\n\r\n"
    b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nab\r\n1\r\nc\r\n0\r\nX-Trailer: not a header\r\n\r\n"
    b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\n"
    b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi"
    b"HEAD / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"
)
REQUESTS = [
    Request(
        *("POST", "/in/clinic", "1.1"),
        [HOST, ("x-odd", "caf\xc3\xa9"), ("empty", ""), ("content-length", "3")],
        *(b"abc", False),
    ),
    Request("GET", "/v1/sessions?limit=1", "1.1", [HOST], b"", last=False),
    Request("POST", "/in/clinic", "1.1", [HOST, ("transfer-encoding", "chunked")], b"abc", last=False),
    Request(
        *("POST", "/in/clinic", "1.1"),
        [HOST, ("connection", "Upgrade"), ("upgrade", "h2c"), ("content-length", "2")],
        *(b"hi", False),
    ),
    Request("HEAD", "/", "1.1", [HOST, ("connection", "close")], b"", last=True),
]


def read(*pieces: bytes) -> list[Request | Refusal]:
    """What is read of them; the memory that each takes, which is an estimate, aside."""
    reader = Reader(LIMIT)
    items = [item for piece in pieces for item in reader.feed(piece)]
    return [msgspec.structs.replace(item, weight=0) for item in items]


def refused(stream: bytes) -> int:
    """The status of the one refusal that a stream ends with."""
    (refusal,) = read(stream)
    assert isinstance(refusal, Refusal)
    return refusal.status


@given(st.lists(st.integers(0, len(STREAM))))
def test_requests_cut_anywhere_arrive_whole_and_in_their_order(cuts: list[int]):
    places = sorted({0, len(STREAM), *cuts})

    assert read(*(STREAM[start:end] for start, end in pairwise(places))) == REQUESTS


def test_nothing_is_read_behind_the_last_request():
    assert read(STREAM, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b"\x00") == REQUESTS


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 101\r\n\r\n" + b"a" * 101,
        b"Content-Length: 101\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"a" * 101 + b"\r\n0\r\n\r\n",
    ],
)
def test_of_a_body_over_the_limit_only_its_size_is_told(framing: bytes):
    (request,) = read(b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\n" + framing)

    assert isinstance(request, Request)
    assert (request.body, request.last) == (101, True)


@pytest.mark.parametrize(
    "stream",
    [
        b"GET /in/x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: example.com\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\nHost: example.org\r\n\r\n",
        b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\nFolded: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: example.com\n\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_is_no_request_is_refused(stream: bytes):
    assert refused(stream) == 400


def test_what_was_sent_before_something_that_is_no_request_is_taken():
    first = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"

    request, refusal = read(first + b"\x00" + first)

    assert isinstance(request, Request)
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("piece", [1_000, 10_000_000])
def test_a_head_without_end_is_refused_as_soon_as_it_is_too_long(piece: int):
    reader = Reader(LIMIT)
    fed, items = 0, reader.feed(b"GET / HTTP/1.1\r\nHost: example.com\r\nX: ")

    while not items:
        fed, items = fed + piece, reader.feed(b"a" * piece)

    assert [item.status for item in items if isinstance(item, Refusal)] == [431]
    assert fed <= MOST_HEAD + 2 * piece


@pytest.mark.parametrize("endless", [b"0\r\nX-Trailer: ", b"0\r\n", b"1;"])
def test_what_stands_around_a_body_is_refused_as_soon_as_it_is_too_long(endless: bytes):
    reader = Reader(LIMIT)
    piece = b"X: a\r\n" * 1_000 if endless == b"0\r\n" else b"a" * 6_000
    fed = 0
    items = reader.feed(b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n" + endless)

    while not items and fed < 10 * MOST_HEAD:
        fed, items = fed + len(piece), reader.feed(piece)

    assert [item.status for item in items if isinstance(item, Refusal)] == [431]
    assert fed <= 2 * MOST_HEAD


def test_a_body_may_come_a_byte_at_a_time():
    reader = Reader(200_000)
    items = reader.feed(b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n")

    for _ in range(100_000):
        items += reader.feed(b"1\r\na\r\n")
    items += reader.feed(b"0\r\n\r\n")

    assert [item.body for item in items if isinstance(item, Request)] == [b"a" * 100_000]


@pytest.mark.parametrize(
    ("target", "theirs"), [("/in/clinic", True), ("/in", True), ("/in?x=/", True), ("/inn", False), ("/v1/in/", False)]
)
def test_what_is_refused_on_an_ingest_path_is_most_likely_a_delivery(target: str, theirs: bool):
    (refusal,) = read(b"POST %s HTTP/1.1\r\n\r\n" % target.encode())

    assert isinstance(refusal, Refusal)
    assert refusal.delivery is theirs


def test_any_number_of_offers_to_upgrade_is_declined():
    one = b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"

    assert len(read(one * 3_000)) == 3_000


def test_an_offer_in_an_older_version_stays_one_of_that_version():
    (request,) = read(b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")

    assert isinstance(request, Request)
    assert (request.version, request.last) == ("1.0", True)


def test_an_older_version_knows_no_go_on():
    reader = Reader(LIMIT)

    reader.feed(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")

    assert not reader.expects


@pytest.mark.parametrize("length", [b"9" * 19, b"0" * 5_000 + b"101", b"0" * 6_000 + b"1" * 18])
def test_a_length_of_any_number_of_digits_is_read(length: bytes):
    (item,) = read(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: " + length + b"\r\n\r\n")

    assert isinstance(item, Request)
    assert isinstance(item.body, int)
    assert item.body > LIMIT


def test_long_names_of_headers_are_not_kept_for_the_next_request():
    before = reader_module._usual_name.cache_info().currsize

    read(*(b"GET / HTTP/1.1\r\nHost: example.com\r\n%s: a\r\n\r\n" % (b"x" * (65 + n)) for n in range(50)))

    assert reader_module._usual_name.cache_info().currsize <= before + 1  # "host"


def test_the_heads_of_many_requests_at_once_are_not_added_up():
    one = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    reader = Reader(LIMIT)

    items = reader.feed(one[:9])
    for _ in range(5):
        items += reader.feed(one[9:] + one * 5_000 + one[:9])

    assert len(items) == 5 * 5_001
    assert not any(isinstance(item, Refusal) for item in items)


def test_it_tells_whether_a_request_has_begun_and_whether_its_sender_waits():
    reader = Reader(LIMIT)
    told = []

    for piece in (b"POST / HT", b"TP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", b"a"):
        reader.feed(piece)
        told.append((reader.receiving, reader.expects))

    assert told == [(True, False), (True, True), (False, False)]


def test_what_a_request_takes_is_known_before_it_is_whole_and_dropped_with_it():
    reader = Reader(LIMIT)
    reader.feed(b"POST / HTTP/1.1\r\nHost: example.com\r\n" + b"a:b\r\n" * 1_000)
    assert reader.held > 100_000  # a header is a tuple and two strings

    reader.drop()

    assert reader.held == 0
    assert reader.feed(b"c:d\r\n") == []


def test_what_the_parser_has_of_a_header_is_dropped_with_the_request():
    reader = Reader(LIMIT)
    tracemalloc.start()
    reader.feed(b"POST / HTTP/1.1\r\nHost: example.com\r\nX-Long: " + b"x" * 60_000)
    held, _ = tracemalloc.get_traced_memory()

    reader.drop()

    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held > 60_000
    assert left < 10_000


def test_what_was_handed_on_is_not_held_any_more():
    head = b"POST /in/captions HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\n"
    readers = [Reader(100_000) for _ in range(20)]
    tracemalloc.start()
    for reader in readers:
        for some in (head, b"x" * 50_000, b"x" * 50_000):
            reader.feed(some)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 100_000


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"FOO / HTTP/1.1\r\n", 501),
        (b"BREW / HTTP/1.1\r\nHost: example.com\r\n\r\n", 501),
        (b"\r\nget / HTTP/1.1\r\n", 501),
        (b"\x16\x03\x01 ", 400),
        (b"{} / HTTP/1.1\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
    ],
)
def test_what_is_not_known_here_is_another_thing_than_what_is_no_http(stream: bytes, status: int):
    assert refused(stream) == status


@pytest.mark.parametrize("size", [b"3 ;a=b", b"3\t ;a", b"3 "])
def test_white_space_before_a_chunk_extension_is_ignored(size: bytes):
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

    (request,) = read(head + size + b"\r\nabc\r\n0\r\n\r\n")

    assert isinstance(request, Request)
    assert request.body == b"abc"
