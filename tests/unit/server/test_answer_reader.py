"""What another server answers, however it comes in pieces: an answer is whole, or it is none."""

import pytest

from adapters.server.handlers.answer_reader import AnswerReader, BrokenError

FINE = b"HTTP/1.1 200 OK\r\n"


def read(raw, *, by=1_000_000, ends=False, bodiless=False):
    reader = AnswerReader(bodiless=bodiless)
    for start in range(0, len(raw), by):
        reader.feed(raw[start : start + by])
    if ends:
        reader.end()
    return reader


def told(reader):
    return reader.status, reader.headers, reader.take(), reader.whole, reader.keeps


@pytest.mark.parametrize("by", [1, 7, 1_000_000])
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (FINE + b"X-A:  1 \r\nx-a: caf\xe9\r\nContent-Length: 2\r\n\r\nhi", [("X-A", "1"), ("x-a", "caf\xe9")]),
        (FINE + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nTrailer: x\r\n\r\n", []),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + FINE + b"Content-Length: 2\r\n\r\nhi", []),
        (FINE.replace(b"\r", b"") + b"Content-Length: 2\n\nhi", []),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", []),
    ],
    ids=["length", "chunks", "hints before", "bare line feeds", "no reason"],
)
def test_a_whole_answer_is_told_as_it_is_and_its_connection_goes_on(raw, expected, by):
    status, headers, body, *ended = told(read(raw, by=by))

    framing = ("Content-Length", "Transfer-Encoding")
    assert (status, [one for one in headers if one[0] not in framing], body) == (200, expected, b"hi")
    assert ended == [True, True]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (FINE + b"\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (FINE + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi"),
        (FINE + b"Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"hi"),
        (FINE + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi and more", b"hi"),
    ],
    ids=["until it ends", "1.0", "closes", "one that nobody asked for", "more than it said"],
)
def test_behind_some_answers_nothing_more_is_asked(raw, body):
    reader = read(raw, ends=True)

    assert told(reader)[2:] == (body, True, False)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_needs_no_length(status):
    assert told(read(b"HTTP/1.1 %d X\r\n\r\n" % status)) == (status, [], b"", True, True)


def test_the_length_of_an_answer_to_head_is_no_promise():
    assert told(read(FINE + b"Content-Length: 9\r\n\r\n", bodiless=True))[2:4] == (b"", True)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        FINE + b"Transfer-Encoding: gzip\r\n\r\nx",
        FINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        FINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        FINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FINE + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
        FINE + b"X: 1\r\n" * 20_000,
        FINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"x" * 70_000,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 4_000,
    ],
    ids=[
        "switches",
        "2.0",
        "coded",
        "coded chunks",
        "two lengths",
        "two framings",
        "a zero byte",
        "endless head",
        "endless chunk size",
        "endless hints",
    ],
)
def test_what_cannot_be_told_as_an_answer_is_none(raw):
    with pytest.raises(BrokenError):
        read(raw, by=8_192)


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 2", FINE + b"Content-Length: 3\r\n\r\nhi", FINE + b"X: 1\r\n"])
def test_one_that_breaks_off_is_none(raw):
    with pytest.raises(BrokenError):
        read(raw, ends=True)
