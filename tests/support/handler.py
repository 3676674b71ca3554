"""A real small handler behind Hookfold: it keeps what it hears, byte for byte, and answers as a test has it."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Queue
from threading import Event, Thread
from typing import BinaryIO

PATIENCE = 20.0
FINE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n" + b'{"status":"success"}'


@dataclass
class Heard:
    """A request as it came over the socket."""

    head: bytes
    body: bytes

    @property
    def first(self) -> bytes:
        return self.head.partition(b"\r\n")[0]

    @property
    def headers(self) -> dict[bytes, bytes]:
        lines = self.head.split(b"\r\n")[1:]
        return {name: value for name, _, value in (line.partition(b": ") for line in lines)}


class Handler:
    """`answer` is sent to each request: bytes, or what is done with the socket. `let_go` ends who waits.

    `reads`: whether it reads bodies.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.heard: Queue[Heard] = Queue()
        self.answer: bytes | Callable[[socket.socket], None] = FINE
        self.let_go = Event()
        self.reads = Event()
        self.reads.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self) -> Heard:
        """The next request that it heard."""
        return self.heard.get(timeout=PATIENCE)

    def hang(self, connection: socket.socket) -> None:
        """Says nothing, until it is let go."""
        self.let_go.wait(PATIENCE)
        with suppress(OSError):
            connection.sendall(FINE)

    def hang_after(self, some: bytes) -> Callable[[socket.socket], None]:
        def answer(connection: socket.socket) -> None:
            connection.sendall(some)
            self.let_go.wait(PATIENCE)

        return answer

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while heard := _read(stream, self.reads):
                self.heard.put(heard)
                if isinstance(self.answer, bytes):
                    connection.sendall(self.answer)
                else:
                    self.answer(connection)
                    return


def reset(connection: socket.socket) -> None:
    """Breaks the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless(connection: socket.socket) -> None:
    """Sends until nobody takes it any more."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"again and again " * 4_096)


@contextmanager
def handler() -> Iterator[Handler]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Handler(listening.getsockname()[1])
        accepting = Thread(target=_accept, args=(made, listening), daemon=True)
        accepting.start()
        try:
            yield made
        finally:
            made.let_go.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            accepting.join(PATIENCE)


def _accept(made: Handler, listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            connection.settimeout(PATIENCE)
            Thread(target=made.serve, args=(connection,), daemon=True).start()


def _read(stream: BinaryIO, may_read: Event) -> Heard | None:
    lines: list[bytes] = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line)
    if not lines:
        return None
    heard = Heard(b"".join(lines).rstrip(b"\r\n"), b"")
    may_read.wait(PATIENCE)
    if heard.headers.get(b"transfer-encoding") == b"chunked":
        heard.body = b"".join(iter(lambda: _chunk(stream), b""))
    else:
        heard.body = stream.read(int(heard.headers.get(b"content-length", b"0")))
    return heard


def _chunk(stream: BinaryIO) -> bytes:
    some = stream.read(int(stream.readline() or b"0", 16))
    stream.readline()
    return some
