"""Parses the response to one request (RFC 9112) from a connection's data, without input or output of its own.

The parser is `httptools`, as for requests. This module adds what it leaves to its user: the limit of the head,
responses without a body, the end of a body without a length, and interim responses (1xx), which are skipped.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from adapters.server.http11.reader import MOST_AROUND, MOST_HEAD
from core.event import Headers

_SWITCHES = 101
_FINAL = 200
_VERSIONS = ("1.1", "1.0")


class BrokenError(Exception):
    """The response is not HTTP/1.1, or is incomplete."""


class AnswerReader:
    """`begun`: status and headers are complete; `whole`: everything is; `keeps`: the connection can be reused then.

    `held` counts body bytes that were not taken yet. `bodiless`: it was a HEAD request.
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
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True
        )  # allows a line feed alone (RFC 9112, 2.2)

    def feed(self, data: bytes) -> None:
        """Parses the next data. Raises BrokenError."""
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
        """Ends the input, which ends a body without a length. Raises BrokenError."""
        self.keeps = False
        if not self.begun or (self._framed and not self.whole):
            raise BrokenError
        self.whole = True

    def take(self) -> bytes:
        """Takes the body bytes that have arrived."""
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.held = 0
        return taken

    def drop(self) -> None:
        """Stops reading. Breaks the reference cycle with the parser, which would wait for the garbage collector."""
        del self._parser

    def on_message_begin(self) -> None:
        """A callback of the parser, like all methods whose names begin with `on_`."""
        if self.whole:  # an unrequested second response
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
