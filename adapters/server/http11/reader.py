"""Puts HTTP/1.1 requests (RFC 9112) together from what a connection gives; no input or output of its own.

The parser is `httptools` (llhttp, as strict as it is delivered). What it leaves to its user stands here: how long a
head and a body may be, which requests end a connection, and what an offer to upgrade comes to: it is declined.
"""

import re
from collections.abc import Callable
from functools import lru_cache

import msgspec
from httptools import (
    HttpParserCallbackError,
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from adapters.http import is_ingest
from adapters.server.http11.upload import Upload
from core.event import Headers

MOST_HEAD = 65_536
"""Bytes of a request line and headers behind which they have to end with what is read at once."""

MOST_AROUND = 8
"""Bytes around each byte of a body, sizes of chunks and trailers, beyond those of a head: one in a chunk has five."""

_MESSAGE = 500
_HEADER = 250
"""Bytes of memory that a request, and each header of it, takes beyond its own."""

_LONGEST_KEPT = 64
"""Bytes of a header's name that is worth remembering."""

_VERSIONS = ("1.1", "1.0")
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ ")
_MOST_DIGITS = 18

Data = bytes | memoryview


class Request(msgspec.Struct, gc=False):
    """A whole request. `target` is as it came, names of headers are in lower case, values as Latin-1.

    `body` is the number of bytes, as declared or as far as it was read, where there were too many; or what comes, while
    it comes, where the request is handed on at once. `last`: what comes
    behind it on its connection is not read. `ending`: the client has left, or the service stops: who waits before the
    answer, or makes it piece by piece, ends. `weight`: the memory that it takes, about. `peer`: the address of
    who is at the other end of the connection.
    """

    method: str
    target: str
    version: str
    headers: Headers
    body: bytes | int | Upload
    last: bool
    ending: bool = False
    weight: int = 0
    peer: str = ""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """What is no request, and the status that says why; nothing behind it is read. `delivery`: most likely one."""

    status: int
    message: str
    delivery: bool
    weight: int = 0


class Reader:
    """Reads one connection. `receiving`: a request has begun; `expects`: and its sender waits for a go-on (100).

    `streams` tells of a target whether its request is whole once its head is, and its body handed on while it comes.
    """

    def __init__(self, max_body: int, streams: Callable[[str], bool] = lambda _: False) -> None:
        self.receiving = False
        self.expects = False
        self._max_body = max_body
        self._streams = streams
        self._upload: Upload | None = None
        self._parser = _parser(self)
        self._whole: list[Request | Refusal] = []
        self._ended = False
        self._in_head = False
        self._around = 0
        self._target = b""
        self._headers: Headers = []
        self._offered: Headers | None = None
        self._body: bytes | bytearray = b""
        self._size = 0
        self._weight = 0

    @property
    def held(self) -> int:
        """Bytes of memory, about, that the request takes which has begun."""
        if self._upload is not None:
            return self._upload.held
        return self._weight + self._around + self._size if self.receiving else 0

    def drop(self) -> None:
        """Nothing more is read, and what has begun is let go: the parser holds what it has of a header."""
        self._ended, self.receiving = True, False
        self._headers, self._body = [], b""
        self._parser = _parser(self)
        self._break_off()

    def _break_off(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.break_off()

    def feed(self, data: bytes) -> list[Request | Refusal]:
        """The requests that are whole by now, in their order."""
        rest: Data = data
        while rest and not self._ended:
            rest = self._feed(rest)
        whole, self._whole = self._whole, []
        return whole

    def _feed(self, data: Data) -> Data:
        """What is still to be read: something only behind an offer to upgrade."""
        unfinished = self._headers if self.receiving else None
        read, begun = self._size, len(self._whole)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._decline()
            return memoryview(data)[upgrade.args[0] :]
        except HttpParserCallbackError:
            if not self._ended:
                raise
        except HttpParserInvalidMethodError as error:
            known = len(self._whole) > begun or not _METHOD.match(data)
            self._refuse(*((400, f"this is no HTTP/1.1: {error}") if known else (501, "no such method is known here")))
        except HttpParserError as error:
            self._refuse(400, f"this is no HTTP/1.1: {error}")
        if self.receiving and self._headers is unfinished:
            self._around += len(data) - (self._size - read)
            if self._around > MOST_HEAD + MOST_AROUND * self._size:
                self._refuse(431, f"head, chunk sizes and trailers have more than {MOST_HEAD} bytes")
        return b""

    def _decline(self) -> None:
        """Reads on as if nothing were offered (RFC 9110, 7.8): the parser would take the body for another protocol."""
        method, version = self._parser.get_method().decode(), self._parser.get_http_version()
        if method == "CONNECT":
            self._refuse(400, "this is no proxy")
            return
        offered = self._headers
        kept = [f"{name}:{value}\r\n" for name, value in offered if name != "upgrade"]
        head = f"{method} {self._target.decode('latin-1')} HTTP/{version}\r\n{''.join(kept)}\r\n"
        self._parser = _parser(self)
        self._offered = offered
        self._feed(head.encode("latin-1"))

    def _stop(self, message: str, status: int = 400) -> None:
        self._refuse(status, message)
        raise _EndedError

    def _refuse(self, status: int, message: str) -> None:
        if not self._ended:
            self._end(self.refusal(status, message))

    def refusal(self, status: int, message: str) -> Refusal:
        """Of the request that has begun, as far as anything is known of it."""
        posted = self._parser.get_method() == b"POST"
        return Refusal(status, message, is_ingest(self._target.decode("latin-1")) if self._target else posted)

    def _end(self, item: Request | Refusal) -> None:
        self._whole.append(item)
        self._break_off()
        self._ended, self._in_head, self.receiving, self.expects = True, False, False, False

    def on_message_begin(self) -> None:
        """The parser's call, as are all that begin so."""
        self.receiving = self._in_head = True
        self._around, self._target, self._headers = 0, b"", []
        self._size, self._body, self._weight = 0, b"", _MESSAGE

    def on_url(self, target: bytes) -> None:
        self._target += target
        self._weight += len(target)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else it is a trailer, of which nobody has asked
            self._headers.append((_name(name), value.strip(b" \t").decode("latin-1")))
            self._weight += _HEADER + len(value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._parser.should_upgrade():
            return
        if self._offered is not None:
            self._headers, self._offered = self._offered, None
        version = self._parser.get_http_version()
        streams = self._comes_on()
        for name, value in self._headers:
            if name == "content-length" and (size := _number(value)) > self._max_body and not streams:
                self._give_up(size)
            elif name == "expect" and value.lower() == "100-continue":
                self.expects = version != "1.0"
        if version not in _VERSIONS:
            self._stop(f"this server speaks HTTP/1.1, not {version}")
        names = [name for name, _ in self._headers]
        if version == "1.1" and names.count("host") != 1:
            self._stop("a request names one host")
        if "transfer-encoding" in names:
            self._check_codings()
        if streams:
            self._upload = Upload()
            self._whole.append(self._request(self._upload, last=not self._parser.should_keep_alive()))

    def _comes_on(self) -> bool:
        """Whether the request has a body, and it is handed on while it comes."""
        has_body = any(name in {"content-length", "transfer-encoding"} for name, _ in self._headers)
        return has_body and self._streams(self._target.decode("latin-1"))

    def _check_codings(self) -> None:
        """The parser leaves it to its user what may come before the chunks."""
        values = [value for name, value in self._headers if name == "transfer-encoding"]
        *others, last = [one.strip(" \t").lower() for one in ",".join(values).split(",")]
        if others and last == "chunked":
            self._stop("send the body as it is: no transfer coding but chunked is known here", 501)

    def on_body(self, some: bytes) -> None:
        self._size += len(some)
        if self._upload is not None:
            self._upload.feed(some)
            return
        if self._size > self._max_body:
            self._give_up(self._size)
        if not self._body:
            self._body = some
        elif isinstance(self._body, bytearray):
            self._body += some
        else:
            self._body = bytearray(self._body + some)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        self.receiving = self.expects = False
        if self._upload is not None:
            self._upload.end()
            self._upload = None
            self._ended = not self._parser.should_keep_alive() or self._parser.get_http_version() != "1.1"
            return
        request = self._request(bytes(self._body), last=not self._parser.should_keep_alive())
        self._body = b""
        if request.last:
            self._end(request)
        else:
            self._whole.append(request)

    def _give_up(self, size: int) -> None:
        """The rest of this body is not read."""
        self._end(self._request(size, last=True))
        raise _EndedError

    def _request(self, body: bytes | int | Upload, *, last: bool) -> Request:
        parser = self._parser
        method, version = parser.get_method().decode(), parser.get_http_version()
        target, last = self._target.decode("latin-1"), last or version != "1.1"
        return Request(method, target, version, self._headers, body, last, weight=self._weight + self._size)


class _EndedError(Exception):
    """Stops the parser where nothing more is to be read."""


def _parser(reader: Reader) -> HttpRequestParser:
    """White space before a chunk's extension is bad, and to be ignored (RFC 9112, 7.1.1)."""
    parser = HttpRequestParser(reader)
    parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
    return parser


def _name(name: bytes) -> str:
    return _usual_name(name) if len(name) <= _LONGEST_KEPT else _usual_name.__wrapped__(name)


@lru_cache(maxsize=1024)
def _usual_name(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _number(digits: str) -> int:
    """As it is declared; of more digits than anybody counts in, the first ones."""
    return int(digits.lstrip("0")[:_MOST_DIGITS] or 0)
