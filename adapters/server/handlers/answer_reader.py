"""Puts the answer to one request (RFC 9112) together from what a connection gives; no input or output of its own.

The parser is `httptools`, as for requests. What it leaves to its user stands here: how long a head may be, which
answers have no body, where one without a length ends, and what comes before the final answer (1xx): it is left out.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from adapters.server.http11.reader import MOST_AROUND, MOST_HEAD
from core.event import Headers

_SWITCHES = 101
_FINAL = 200
_VERSIONS = ("1.1", "1.0")


class BrokenError(Exception):
    """What came is no HTTP/1.1, or broke off."""


class AnswerReader:
    """`begun`: status and headers are there; `whole`: all of it; `keeps`: the connection may be used again then.

    `held`: bytes of the body that nobody has taken yet. `bodiless`: the request was one for a head alone.
    """

    def __init__(self, *, bodiless: bool) -> None:
        self.status = 0
        self.headers: Headers = []
        self.begun = False
        self.whole = False
        self.keeps = False
        self.held = 0
        self._bodiless = bodiless
        self._framed = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._around = 0
        self._parser = HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)  # a line may end so (RFC 9112, 2.2)

    def feed(self, data: bytes) -> None:
        """What came next. Raises BrokenError."""
        before = self._size
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self.whole:
                raise BrokenError from error
            self.keeps = False
        self._around += len(data) - (self._size - before)
        if self._around > MOST_HEAD + MOST_AROUND * self._size:
            raise BrokenError

    def end(self) -> None:
        """Nothing more comes: that ends a body without a length. Raises BrokenError."""
        self.keeps = False
        if not self.begun or (self._framed and not self.whole):
            raise BrokenError
        self.whole = True

    def take(self) -> bytes:
        """What came of the body and was not taken yet."""
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.held = 0
        return taken

    def drop(self) -> None:
        """Nothing more is read. The parser holds its reader: else both were there until somebody looks for cycles."""
        del self._parser

    def on_message_begin(self) -> None:
        """The parser's call, as are all that begin so."""
        if self.whole:  # nobody asked for another one
            self.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.begun:  # else it is a trailer
            self.headers.append((name.decode("latin-1"), value.strip(b" \t").decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self.whole:
            return
        status = self._parser.get_status_code()
        if status == _SWITCHES or self._parser.get_http_version() not in _VERSIONS:
            raise BrokenError
        if status < _FINAL:
            self.headers = []
            return
        codings = [value.lower() for name, value in self.headers if name.lower() == "transfer-encoding"]
        if codings not in ([], ["chunked"]):
            raise BrokenError
        self._framed = bool(codings) or any(name.lower() == "content-length" for name, _ in self.headers)
        self.status, self.begun, self.whole = status, True, self._bodiless

    def on_body(self, some: bytes) -> None:
        self._size += len(some)
        if not self.whole:
            self._pieces.append(some)
            self.held += len(some)

    def on_message_complete(self) -> None:
        if self.begun and not self.whole:
            self.whole, self.keeps = True, self._parser.should_keep_alive()
