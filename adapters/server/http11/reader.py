"""Assembles HTTP/1.1 requests (RFC 9112) from the bytes of a connection, without I/O.

The parser is `httptools` (llhttp with its default strictness). This module adds the limits of head and body, decides
which requests end a connection, and declines offers to upgrade.
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
"""Bytes of request line and headers above which they must end with the data being parsed."""

MOST_AROUND = 8
"""Further bytes of framing (chunk sizes, trailers) allowed per byte of the body: a one-byte chunk has five."""

_MESSAGE = 500
_HEADER = 250
"""Estimated overhead in bytes of a request, and of each header."""

_LONGEST_KEPT = 64
"""The longest header name that is cached."""

_VERSIONS = ("1.1", "1.0")
_METHOD = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ ")
_MOST_DIGITS = 18

Data = bytes | memoryview


class Request(msgspec.Struct, gc=False):
    """A request. `target` is as sent, header names are in lower case, values are Latin-1.

    `body` is a number of bytes, as declared or read so far, if it is over the limit; an `Upload` if it is forwarded
    while it arrives. `last`: nothing after it is read from the connection. `ending`: the client has left or the service
    stops, so a waiting or streaming handler should end. `weight` is its approximate memory, `peer` the address of the
    other side.
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
    """The rejection of an invalid request. Nothing after it is read from the connection.

    `delivery`: the request was probably a webhook. Its response has the format of the ingest endpoints.
    """

    status: int
    message: str
    delivery: bool
    weight: int = 0


class Reader:
    """Reads one connection. `receiving`: a request has begun. `expects`: its sender waits for 100 Continue.

    `streams` returns whether the body of a request to a target is forwarded while it arrives. Such a request is
    returned once its head is complete.
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
        """The approximate memory of the request that has begun, in bytes."""
        if self._upload is not None:
            return self._upload.held
        return self._weight + self._around + self._size if self.receiving else 0

    def drop(self) -> None:
        """Stops reading and drops an incomplete request, with the parser, which holds parts of headers."""
        self._ended, self.receiving = True, False
        self._headers, self._body = [], b""
        self._parser = _parser(self)
        self._break_off()

    def _break_off(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.break_off()

    def feed(self, data: bytes) -> list[Request | Refusal]:
        """Parses data; returns the requests that are complete now, in order."""
        rest: Data = data
        while rest and not self._ended:
            rest = self._feed(rest)
        whole, self._whole = self._whole, []
        return whole

    def _feed(self, data: Data) -> Data:
        """Parses data; returns the unread rest, which there is only after an offer to upgrade."""
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
        """Continues without the offered upgrade (RFC 9110, 7.8), for which the parser would take the body."""
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
        """The refusal of the request that has begun."""
        posted = self._parser.get_method() == b"POST"
        return Refusal(status, message, is_ingest(self._target.decode("latin-1")) if self._target else posted)

    def _end(self, item: Request | Refusal) -> None:
        self._whole.append(item)
        self._break_off()
        self._ended, self._in_head, self.receiving, self.expects = True, False, False, False

    def on_message_begin(self) -> None:
        """Called by the parser, as are all `on_` methods."""
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
        """Whether the request has a body that is forwarded while it arrives."""
        has_body = any(name in {"content-length", "transfer-encoding"} for name, _ in self._headers)
        return has_body and self._streams(self._target.decode("latin-1"))

    def _check_codings(self) -> None:
        """Refuses transfer codings before `chunked`, which the parser leaves to its user."""
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
        """Stops reading a body over the limit."""
        self._end(self._request(size, last=True))
        raise _EndedError

    def _request(self, body: bytes | int | Upload, *, last: bool) -> Request:
        parser = self._parser
        method, version = parser.get_method().decode(), parser.get_http_version()
        target, last = self._target.decode("latin-1"), last or version != "1.1"
        return Request(method, target, version, self._headers, body, last, weight=self._weight + self._size)


class _EndedError(Exception):
    """Stops the parser when nothing more should be read."""


def _parser(reader: Reader) -> HttpRequestParser:
    """A parser that ignores bad white space before chunk extensions (RFC 9112, 7.1.1)."""
    parser = HttpRequestParser(reader)
    parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
    return parser


def _name(name: bytes) -> str:
    return _usual_name(name) if len(name) <= _LONGEST_KEPT else _usual_name.__wrapped__(name)


@lru_cache(maxsize=1024)
def _usual_name(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _number(digits: str) -> int:
    """A declared length. Of absurdly many digits, only the first ones count."""
    return int(digits.lstrip("0")[:_MOST_DIGITS] or 0)
