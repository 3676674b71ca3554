"""Connections between processes are handed over, through what both have from their parent."""

import resource
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from adapters.server import connect
from adapters.server.processes.ends import accept


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    taking, handing = socket.socketpair()
    with taking, handing:
        taking.setblocking(False)
        handing.setblocking(False)
        yield taking, handing


def accepted(taking: socket.socket) -> socket.socket:
    connection = accept(taking)
    assert connection is not None
    return connection


def test_ends_that_were_handed_over_while_nobody_took_them_wait(pair: tuple[socket.socket, socket.socket]):
    taking, handing = pair
    ours = [connect(handing) for _ in range(3)]
    ours.pop(1).close()

    ends = [accepted(taking) for _ in range(3)]

    for number, one in enumerate(ours):
        one.sendall(b"%d" % number)
    assert [end.recv(10) for end in ends] == [b"0", b"", b"1"]
    for one in (*ours, *ends):
        one.close()


def test_where_nobody_has_connected_nobody_is_accepted(pair: tuple[socket.socket, socket.socket]):
    assert accept(pair[0]) is None


def test_an_end_for_which_there_is_no_descriptor_left_is_given_up_and_its_process_sees_it(
    pair: tuple[socket.socket, socket.socket],
):
    taking, handing = pair
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(connect(handing)) as ours:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            found = accept(taking)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

        assert found is None
        ours.settimeout(10)
        assert ours.recv(1) == b""


def test_where_too_many_wait_to_be_taken_a_process_is_told_so(pair: tuple[socket.socket, socket.socket]):
    waiting: list[socket.socket] = []

    with pytest.raises(OSError):
        connect_on_and_on(pair[1], waiting)

    for one in waiting:
        one.close()


def connect_on_and_on(handing: socket.socket, waiting: list[socket.socket]) -> None:
    while True:
        waiting.append(connect(handing))
