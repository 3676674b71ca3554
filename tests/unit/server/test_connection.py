"""Each client gets its answers in the order of its requests, and none may keep others, or the process, waiting."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from adapters.http import Answer
from adapters.server.http11.connection import FIRST, IDLE, LINGER, RECEIVE, Connection
from adapters.server.http11.connections import Connections, Respond
from adapters.server.http11.files import FileBody, Sending
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody

GET = b"GET /%d HTTP/1.1\r\nHost: example.com\r\n\r\n"
LARGE = 8_000_000
ROOM = 65_536
PATIENCE = 60
"""Seconds behind which a test has failed."""

Test = Callable[["Client"], Awaitable[None]]


class Happenings:
    """What happened at a site: its ends of connections by their clients' ports, and what it was asked."""

    def __init__(self) -> None:
        self.ends: dict[int, SiteEnd] = {}
        self.asked: list[tuple[Request, Respond]] = []
        self._news = asyncio.Event()

    def tell(self) -> None:
        self._news.set()

    def ask(self, request: Request, respond: Respond) -> None:
        self.asked.append((request, respond))
        self.tell()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()


class SiteEnd(Connection):
    """The site's end of a connection: it tells of all that happens to it."""

    def __init__(self, site: Connections, happenings: Happenings) -> None:
        super().__init__(site)
        self.received = 0
        self.is_left = self.is_lost = self.is_full = False
        self._happenings = happenings

    @property
    def is_reading(self) -> bool:
        return self._transport.is_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._happenings.ends[transport.get_extra_info("peername")[1]] = self
        self._happenings.tell()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.received += len(data)
        self._happenings.tell()

    def eof_received(self) -> bool:
        self.is_left = True
        self._happenings.tell()
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.is_left = self.is_lost = True
        self._happenings.tell()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.is_full = True
        self._happenings.tell()


class Client:
    """The other end of a connection to a site whose answers are held back until they are let go."""

    def __init__(self, site: Connections, happenings: Happenings) -> None:
        self.site = site
        self.asked = happenings.asked
        self.until = happenings.until
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.end: SiteEnd
        self.port = 0
        self.others: list[Client] = []
        self._happenings = happenings
        self._sent = 0

    async def connect(self, port: int) -> None:
        self.port = port
        self.reader, self.writer = await asyncio.open_connection(sock=await little_room(port))
        own = self.writer.get_extra_info("sockname")[1]
        await self.until(lambda: own in self._happenings.ends)
        self.end = self._happenings.ends[own]

    async def another(self) -> "Client":
        """Another client of the same site."""
        other = Client(self.site, self._happenings)
        self.others.append(other)
        await other.connect(self.port)
        return other

    async def send(self, data: bytes) -> None:
        """Sends, and lets it arrive."""
        self.writer.write(data)
        await self.writer.drain()
        self._sent += len(data)
        await self.until(lambda: self.end.received == self._sent or self.end.is_lost)

    async def answer(self, body: bytes = b"", status: int = 200) -> str:
        """Lets the oldest answer go; the target that was asked for."""
        request, respond = await self._oldest()
        respond(Answer(status, [("content-type", "text/plain")], body))
        return request.target

    async def send_file(self, path: Path) -> BinaryIO:
        """Lets the oldest answer go, with a file for its body."""
        _, respond = await self._oldest()
        file = path.open("rb")
        respond(Sending(200, [("content-length", str(os.fstat(file.fileno()).st_size))], FileBody(file)))
        return file

    async def begin(self) -> tuple["Taken", Respond]:
        """Begins the oldest answer, in pieces; and what ends it."""
        _, respond = await self._oldest()
        pieces = Taken(asyncio.get_running_loop(), 200, [("content-type", "text/plain")])
        respond(pieces)
        return pieces, respond

    async def _oldest(self) -> tuple[Request, Respond]:
        """A busy machine may have had no time for what was sent behind it."""
        await self.until(lambda: bool(self.asked))
        return self.asked.pop(0)

    async def receive(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def wait(self, seconds: int) -> None:
        """Lets so much of the site's time pass."""
        self.site.now += seconds
        await asyncio.sleep(0)
        for connection in [one for one in self.site.connections if one.due < self.site.now]:
            connection.overdue()

    async def outwait(self) -> None:
        """Takes nothing until it is let go. What the kernels still move counts as taken; that ends with their room."""
        while not self.is_closed:
            await self.wait(RECEIVE + 1)
        await self.until(lambda: self.end.is_lost)

    @property
    def is_closed(self) -> bool:
        return not self.site.connections


async def little_room(port: int) -> socket.socket:
    """A connection whose kernel takes little ahead of its reader; left alone, it may take a whole answer."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


class Taken(StreamingBody):
    """Pieces that tell how many were taken."""

    count = 0

    def resume(self) -> None:
        self.count += 1

    def give(self, piece: bytes) -> None:
        self._hand(piece)


def connected(test: Test, **bounds: Any) -> None:
    """Runs a test with a client of a site that takes bodies of 100 bytes and has these bounds."""

    async def run() -> None:
        happenings = Happenings()
        site = Connections(happenings.ask, 100, **bounds)
        server = await asyncio.get_running_loop().create_server(partial(SiteEnd, site, happenings), "127.0.0.1", 0)
        client = Client(site, happenings)
        await client.connect(server.sockets[0].getsockname()[1])
        try:
            await asyncio.wait_for(test(client), PATIENCE)
        finally:
            for one in (client, *client.others):
                one.writer.transport.abort()
            server.close()
            await site.close(0)
            await happenings.until(lambda: all(end.is_lost for end in happenings.ends.values()))

    asyncio.run(run())


def test_requests_sent_at_once_are_answered_one_after_the_other():
    async def test(client: Client) -> None:
        await client.send(GET % 1 + GET % 2)

        assert len(client.asked) == 1
        assert await client.answer(b"one") == "/1"
        assert await client.answer(b"two") == "/2"
        assert [await client.receive(), await client.receive()] == [(200, b"one"), (200, b"two")]

    connected(test)


def test_thousands_of_requests_at_once_are_answered_without_reading_all_of_them_ahead():
    async def test(client: Client) -> None:
        client.site.answer = lambda request, respond: respond(Answer(404, [], request.target.encode()))
        count = 6_400

        sending = asyncio.create_task(client.send(b"".join(GET % number for number in range(count))))

        assert [await client.receive() for _ in range(count)] == [(404, b"/%d" % number) for number in range(count)]
        await sending

    connected(test)


def test_others_are_answered_between_the_thousand_requests_that_one_client_sent_at_once(monkeypatch):
    monkeypatch.setattr("adapters.server.http11.connection.TURN", 0.0)
    targets = []

    async def test(client: Client) -> None:
        other = await client.another()

        def answer(request: Request, respond: Respond) -> None:
            targets.append(request.target)
            respond(Answer(404, [], b""))

        client.site.answer = answer

        sending = asyncio.create_task(client.send(b"".join(GET % number for number in range(1_000))))
        await client.until(lambda: client.end.received > 0)
        await other.send(GET % 9_999)
        assert await other.receive() == (404, b"")
        assert [await client.receive() for _ in range(1_000)] == [(404, b"")] * 1_000
        await sending

        assert targets.index("/9999") < 1_000 == len(targets) - 1

    connected(test)


def test_a_client_that_left_in_the_middle_gets_its_answers_though_they_take_several_turns(monkeypatch):
    monkeypatch.setattr("adapters.server.http11.connection.TURN", 0.0)

    async def test(client: Client) -> None:
        client.site.answer = lambda request, respond: respond(Answer(200, [], request.target.encode()))

        client.writer.write(GET % 1 + GET % 2 + b"GET /3 HT")
        client.writer.write_eof()

        assert [await client.receive() for _ in range(2)] == [(200, b"/1"), (200, b"/2")]
        assert (await client.receive())[0] == 400
        assert await client.reader.read() == b""

    connected(test)


def test_a_client_that_keeps_the_loop_busy_is_let_go_at_once_when_memory_is_tight(monkeypatch):
    monkeypatch.setattr("adapters.server.http11.connection.TURN", 0.0)

    async def test(client: Client) -> None:
        client.writer.write(b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.writer.write(b"1\r\nx\r\n" * 90 + b" " * 50_000)
        await client.until(lambda: client.end.received > 0)

        client.end.give_way()

        assert client.site.held == 0
        assert client.is_closed

    connected(test)


def test_a_request_that_does_not_arrive_in_time_is_answered_so_and_its_connection_ends():
    async def test(client: Client) -> None:
        await client.send(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\na")
        await client.wait(RECEIVE // 2)
        await client.send(b"b")

        await client.wait(RECEIVE // 2 + 1)

        assert (await client.receive())[0] == 408
        assert await client.reader.read() == b""

    connected(test)


def test_a_silent_client_is_let_go_and_one_that_waits_for_its_answer_is_not():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        await client.wait(10 * IDLE)
        await client.answer(b"late")
        assert await client.receive() == (200, b"late")

        await client.wait(IDLE + 1)

        assert client.is_closed

    connected(test)


def test_a_client_that_does_not_take_its_answer_is_let_go():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        await client.answer(b"a" * LARGE)

        await client.outwait()

        assert client.is_closed

    connected(test)


def test_a_last_answer_is_given_the_time_that_any_answer_has_to_be_taken():
    async def test(client: Client) -> None:
        await client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        await client.answer(b"a" * LARGE)
        await client.wait(LINGER + 1)

        assert await client.receive() == (200, b"a" * LARGE)
        await client.wait(LINGER + 1)
        assert client.is_closed

    connected(test)


def test_a_fault_in_an_answer_leaves_the_connection_able_to_go_on():
    async def test(client: Client) -> None:
        client.site.answer, working = broken, client.site.answer
        (connection,) = client.site.connections
        with pytest.raises(ZeroDivisionError):
            connection.data_received(GET % 1)
        client.site.answer = working
        connection._respond(Answer(500, [], b""))
        await client.send(GET % 2)

        assert await client.answer(b"two") == "/2"

    connected(test)


def broken(_request: Request, _respond: Respond) -> None:
    raise ZeroDivisionError


def test_behind_the_last_answer_a_client_is_heard_out_for_a_while():
    async def test(client: Client) -> None:
        await client.send(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5000\r\n\r\n" + b"a" * 1_000)
        request, _ = client.asked[0]
        await client.answer(status=413)
        await client.send(b"a" * 4_000)

        assert request.body == 5_000
        assert (await client.receive())[0] == 413
        assert not client.is_closed
        await client.wait(LINGER + 1)
        assert client.is_closed

    connected(test)


def test_a_client_that_has_said_all_gets_its_answer():
    async def test(client: Client) -> None:
        await client.send(GET % 1 + b"GET")
        client.writer.write_eof()
        await client.until(lambda: client.end.is_left)
        await client.answer(b"one")

        assert await client.receive() == (200, b"one")
        assert (await client.receive())[0] == 400
        assert await client.reader.read() == b""

    connected(test)


def test_a_client_that_has_left_gets_none_and_disturbs_nobody():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        client.writer.transport.abort()
        await client.until(lambda: client.end.is_left)

        await client.answer(b"one")
        await client.until(lambda: client.end.is_lost)

        assert client.is_closed

    connected(test)


def test_a_site_that_closes_answers_first_and_lets_the_silent_go_at_once():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        closing = asyncio.create_task(client.site.close(5))
        await asyncio.sleep(0)
        await client.answer(b"one")

        head = await client.reader.read()
        client.writer.close()
        await closing

        assert b"connection: close" in head
        assert client.is_closed

    connected(test)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_an_answer_without_a_body_has_none(method: bytes, status: int):
    async def test(client: Client) -> None:
        await client.send(method + b" / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        await client.answer(b"body" if method == b"HEAD" else b"", status)

        answer = await client.reader.read()

        assert answer.endswith(b"\r\n\r\n")
        assert (b"content-length: 4" in answer) == (method == b"HEAD")

    connected(test)


def test_an_answer_may_be_longer_than_a_socket_takes():
    async def test(client: Client) -> None:
        await client.send(GET % 1 + GET % 2)
        await client.answer(b"a" * LARGE)

        assert await client.receive() == (200, b"a" * LARGE)
        await client.until(lambda: bool(client.asked))
        assert await client.answer(b"two") == "/2"
        assert await client.receive() == (200, b"two")

    connected(test)


def test_what_waits_for_a_go_on_gets_it_in_its_turn():
    async def test(client: Client) -> None:
        await client.send(GET % 1 + b"POST /2 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        await client.answer(b"one")

        assert await client.receive() == (200, b"one")
        assert (await client.receive())[0] == 100
        await client.send(b"a")
        assert await client.answer(b"two") == "/2"
        assert await client.receive() == (200, b"two")

    connected(test)


def test_an_answer_in_pieces_goes_in_chunks_and_what_was_asked_behind_it_waits():
    async def test(client: Client) -> None:
        await client.send(GET % 1 + GET % 2)
        pieces, respond = await client.begin()
        pieces.give(b"a" * 20)
        assert len(client.asked) == 0
        respond(None)

        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert b"content-length" not in head
        assert await client.reader.readexactly(31) == b"14\r\n" + b"a" * 20 + b"\r\n0\r\n\r\n"
        assert await client.answer(b"two") == "/2"
        assert await client.receive() == (200, b"two")

    connected(test)


def test_pieces_end_with_the_connection_where_there_are_no_chunks():
    async def test(client: Client) -> None:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        pieces, respond = await client.begin()
        pieces.give(b"one")
        pieces.give(b"two")
        respond(None)

        head, _, body = (await client.reader.read()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head
        assert b"connection: close" in head
        assert body == b"onetwo"

    connected(test)


def test_a_slow_client_gets_all_the_time_that_it_uses():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        await client.answer(b"a" * LARGE)
        await client.reader.readuntil(b"\r\n\r\n")

        for _ in range(4):
            await client.reader.readexactly(LARGE // 5)
            await client.wait(RECEIVE + 1)
        assert not client.is_closed
        await client.outwait()

        assert client.is_closed

    connected(test)


def test_a_file_is_sent_as_it_is_taken_and_the_next_answer_follows(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"a" * LARGE)

    async def test(client: Client) -> None:
        await client.send(GET % 1 + GET % 2)
        file = await client.send_file(tmp_path / "file")
        await client.until(lambda: client.end.is_full)
        assert file.tell() < LARGE

        status, body = await client.receive()
        assert (status, len(body), file.closed) == (200, LARGE, True)
        await client.answer(b"two")

        assert await client.receive() == (200, b"two")

    connected(test)


def test_a_file_is_closed_once_its_client_has_left_or_takes_nothing(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"a" * LARGE)

    async def test(client: Client) -> None:
        await client.send(GET % 1)
        file = await client.send_file(tmp_path / "file")
        await client.until(lambda: client.end.is_full)

        await client.outwait()

        assert client.is_closed
        assert file.closed

    connected(test)


def test_a_client_that_does_not_read_stops_the_pieces_and_is_let_go():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        pieces, _ = await client.begin()
        given = await filled(pieces)

        await client.outwait()

        assert client.is_closed
        assert pieces.count == given

    connected(test)


def test_a_client_that_reads_again_gets_the_rest_and_all_the_time_it_takes():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        pieces, respond = await client.begin()
        given = await filled(pieces)

        await client.reader.readuntil(b"\r\n\r\n")
        for _ in range(given):
            assert await client.reader.readexactly(LARGE + 10) == b"7a1200\r\n" + b"a" * LARGE + b"\r\n"
        await client.wait(10 * IDLE)
        pieces.give(b"more")
        respond(None)

        assert pieces.count == given + 1
        assert await client.reader.readexactly(14) == b"4\r\nmore\r\n0\r\n\r\n"

    connected(test)


async def filled(pieces: Taken) -> int:
    """Gives pieces until one is not taken; how many there were."""
    given = 0
    while pieces.count == given:
        pieces.give(b"a" * LARGE)
        given += 1
        await asyncio.sleep(0)
    return given


@pytest.mark.parametrize("leave", ["abort", "write_eof", "close"])
def test_who_makes_an_answer_is_told_that_the_client_left(leave: str):
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        request = client.asked[0][0]
        pieces, respond = await client.begin()

        getattr(client.writer if leave != "abort" else client.writer.transport, leave)()
        await client.until(lambda: client.end.is_left)

        assert request.ending
        assert pieces.count
        pieces.give(b"for nobody")
        respond(None)
        await client.until(lambda: client.is_closed)

    connected(test)


def test_who_begins_for_a_client_that_has_left_is_not_kept():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        client.writer.transport.abort()
        await client.until(lambda: client.end.is_left)

        pieces, respond = await client.begin()
        pieces.give(b"for nobody")
        respond(None)

        assert pieces.count == 1

    connected(test)


def test_pieces_that_break_off_do_not_look_whole():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        pieces, respond = await client.begin()
        pieces.give(b"one")
        await client.reader.readuntil(b"one\r\n")

        respond(Answer(500, [], b"a fault"))

        assert await client.reader.read() == b""

    connected(test)


def test_a_site_that_closes_ends_pieces_as_whole_and_does_not_wait_for_who_does_not_read():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        request = client.asked[0][0]
        pieces, respond = await client.begin()
        closing = asyncio.create_task(client.site.close(5))
        await asyncio.sleep(0)
        assert request.ending
        respond(None)

        assert (await client.reader.read()).endswith(b"\r\n\r\n0\r\n\r\n")
        client.writer.close()
        await closing

        assert pieces.count

    async def unread(client: Client) -> None:
        await client.send(GET % 1)
        pieces, _ = await client.begin()
        await filled(pieces)

        await client.site.close(5)

        assert client.is_closed

    connected(test)
    connected(unread)


def test_a_client_that_connects_and_says_nothing_is_let_go_within_seconds():
    async def test(client: Client) -> None:
        await client.wait(FIRST)
        assert not client.is_closed

        await client.wait(1)

        assert client.is_closed
        assert FIRST < RECEIVE < IDLE

    connected(test)


def test_what_is_read_ahead_of_an_answer_is_bounded_in_bytes():
    async def test(client: Client) -> None:
        (connection,) = client.site.connections
        client.writer.write((GET % 1) * 500_000)
        await client.until(lambda: not client.end.is_reading)

        assert len(client.asked) == 1
        assert client.site.held == connection.held < 1_000_000

    connected(test)


def test_one_more_than_there_may_be_costs_the_longest_silent_its_connection():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        await client.answer()
        await client.receive()
        await client.wait(IDLE - 1)
        others = [await client.another() for _ in range(15)]
        assert len(client.site.connections) == 16

        newcomer = await client.another()
        await newcomer.send(GET % 2)

        assert await client.reader.read() == b""
        assert await client.answer(b"two") == "/2"
        assert await newcomer.receive() == (200, b"two")
        assert not any(one.reader.at_eof() for one in others)

    connected(test, most=16)


def test_a_request_that_is_late_goes_before_one_that_has_just_begun_and_is_told_so():
    async def test(client: Client) -> None:
        await client.send(b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\na")
        await client.wait(RECEIVE - 1)
        for _ in range(4):
            await client.another()

        answer = await client.reader.read()

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2" in answer
        assert b'"status":"error"' in answer

    connected(test, most=4)


def test_where_all_wait_for_our_answers_a_newcomer_is_refused_in_words_and_not_cut_off():
    async def test(client: Client) -> None:
        await client.send(GET % 0)
        others = []
        for number in range(1, 9):
            others.append(await client.another())
            await others[-1].send(GET % number)

        newcomer = await client.another()
        newcomer.writer.write(GET % 9)
        answer = await newcomer.reader.read()

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2" in answer
        assert len(client.asked) == 9

    connected(test, most=8)


def test_what_all_of_them_hold_is_bounded_and_the_slowest_make_room():
    async def test(client: Client) -> None:
        await client.send(b"POST / HTTP/1.1\r\nHost: example.com\r\n" + b"a:b\r\n" * 200)
        await client.wait(1)
        others = []
        for _ in range(3):
            others.append(await client.another())
            await others[-1].send(b"GET / HTTP/1.1\r\nHost: example.com\r\n" + b"a:b\r\n" * 150)

        assert (await client.receive())[0] == 503
        assert client.site.held < 150_000
        await others[-1].send(b"\r\n")
        await client.answer(b"one")
        assert await others[-1].receive() == (200, b"one")

    connected(test, most_held=150_000)


def test_whoever_does_not_take_an_answer_goes_before_the_rest_where_memory_is_tight():
    async def test(client: Client) -> None:
        await client.send(GET % 1)
        await client.answer(b"a" * 6 * LARGE)
        await client.wait(1)
        other = await client.another()
        await other.send(GET % 2)
        await client.answer(b"b" * 6 * LARGE)

        assert await other.receive() == (200, b"b" * 6 * LARGE)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.receive()

    connected(test, most_held=LARGE * 33 // 4)


def test_what_a_connection_held_is_given_back_with_it():
    async def test(client: Client) -> None:
        await client.send(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 90\r\n\r\na")
        assert client.site.held > 90

        client.writer.transport.abort()
        await client.until(lambda: client.end.is_lost)

        assert client.site.held == 0

    connected(test)
