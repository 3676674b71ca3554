"""Requests as bytes over a socket: what no well-behaved client would send."""

import socket
from collections.abc import Iterable

from tests.support.service import PATIENCE, Answer

Header = tuple[str, str | bytes]
NONE = Answer(0, {}, b"")


def request(
    path: str, body: bytes = b"", headers: Iterable[Header] = (), length: int | str | None = None, method: str = "POST"
) -> bytes:
    """A request. `length` is what is declared: None the body's own, "" nothing."""
    lines = [f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()]
    for name, value in headers:
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")) + b"\r\n")
    if length != "":
        lines.append(f"Content-Length: {len(body) if length is None else length}\r\n".encode())
    return b"".join([*lines, b"\r\n", body])


def chunked(path: str, body: bytes, headers: Iterable[Header] = (), size: int = 1, end: bytes = b"0\r\n\r\n") -> bytes:
    """A request whose body comes in chunks of `size` bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + end
    return request(path, framed, [*headers, ("Transfer-Encoding", "chunked")], length="")


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def exchange(port: int, data: bytes, *, end: bool = False) -> Answer:
    """Sends all and reads one answer, of status 0 where there is none. `end`: the client says that this was all."""
    with connected(port) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            """The server has heard enough; its answer is there all the same."""
        return answer_on(connection)


def answer_on(connection: socket.socket) -> Answer:
    """The next answer on the connection; one of status 0 where it was closed."""
    with connection.makefile("rb") as stream:
        try:
            first = stream.readline()
            if not first:
                return NONE
            headers = dict(_header(line) for line in iter(stream.readline, b"\r\n") if line)
            return Answer(int(first.split()[1]), headers, stream.read(int(headers.get("content-length", 0))))
        except ConnectionError:
            return NONE


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()
