"""What glasses upload to the app passes while it comes, whatever its size: nobody holds all of it."""

import os
import socket
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from tests.support.handler import FINE, PATIENCE, Handler
from tests.support.proxied import BODY, proxied

PHOTO = os.urandom(10 << 20)
HEAD = b"POST /in/captions/photo-upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def pieces(size=65_536):
    for at in range(0, len(PHOTO), size):
        yield PHOTO[at : at + size]


@pytest.mark.parametrize("declared", [True, False])
def test_ten_megabytes_pass_byte_for_byte_and_the_connection_goes_on(small_house, behind: Handler, declared):
    with proxied(small_house, behind) as proxy:
        connection = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
        length = {"content-length": str(len(PHOTO))} if declared else {}
        connection.request("POST", "/in/captions/photo-upload", pieces(), length, encode_chunked=not declared)
        first = connection.getresponse()
        answer = first.status, first.read()
        connection.request("POST", "/in/captions/webhook", BODY)
        second = connection.getresponse().status
        connection.close()

    photo = behind.next()
    assert answer == (200, FINE.partition(b"\r\n\r\n")[2])
    assert photo.body == PHOTO
    assert photo.headers.get(b"content-length") == (str(len(PHOTO)).encode() if declared else None)
    assert (second, behind.next().body) == (200, BODY)


def taken_of(sender):
    """So many bytes of the photo are taken, until no more are."""
    sender.settimeout(0.3)
    sent = 0
    with suppress(TimeoutError):
        while sent < len(PHOTO):
            sent += sender.send(PHOTO[sent : sent + 65_536])
    return sent


def test_a_handler_that_takes_nothing_has_its_sender_wait_and_nothing_pile_up(small_house, behind: Handler):
    behind.reads.clear()
    with proxied(small_house, behind) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as sender:
        sender.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(PHOTO))
        sent = taken_of(sender)
        held = proxy.site.held
        behind.reads.set()
        sender.settimeout(PATIENCE)
        sender.sendall(PHOTO[sent:])
        answer = sender.recv(15)

    assert sent < len(PHOTO)
    assert held < 1 << 20
    assert answer == b"HTTP/1.1 200 OK"
    assert behind.next().body == PHOTO


def test_a_body_that_breaks_off_is_not_made_whole_for_the_handler(small_house, behind: Handler):
    with proxied(small_house, behind) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as sender:
        sender.settimeout(PATIENCE)
        sender.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")
        sender.shutdown(socket.SHUT_WR)
        answer = sender.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert behind.next().body == b"half"


def test_a_sender_that_waits_for_a_go_on_gets_it(small_house, behind: Handler):
    with proxied(small_house, behind) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as sender:
        sender.settimeout(PATIENCE)
        sender.sendall(HEAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        go_on = sender.recv(25)
        sender.sendall(b"some")
        answer = sender.recv(15)

    assert (go_on, answer) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK")
    assert b"expect" not in behind.next().headers


def test_webhooks_keep_their_limit(small_house, behind: Handler):
    with proxied(small_house, behind) as proxy:
        status = proxy.ask("POST", "/in/captions/webhook", b"[" * 300_000)[0]

    assert status == 413
    assert behind.heard.empty()
