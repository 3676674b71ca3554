"""An HTTP/1.1 server connection: requests are answered in order, and slow clients have deadlines."""

import asyncio
from asyncio import Transport
from collections import deque
from collections.abc import Sequence
from http import HTTPStatus
from time import perf_counter
from typing import cast

from adapters.http import Answer, failure, problem_answer
from adapters.server.http11.connections import NEVER, TURN, Connections
from adapters.server.http11.files import FileBody, Sending
from adapters.server.http11.reader import Reader, Refusal, Request
from adapters.server.http11.streaming_body import StreamingBody
from adapters.server.http11.unsent import unsent
from adapters.server.http11.upload import Upload

RECEIVE = 20
"""Seconds for a request to arrive completely once it has begun, and for a client to take some of a response."""
FIRST = 10
"""Seconds for the first byte of a connection."""
IDLE = 75
"""Seconds that an idle connection is kept: longer than proxies keep theirs, so that the proxy closes first."""
LINGER = 3
"""Seconds of discarding input before the close, which could otherwise destroy the last response (RFC 9112, 9.6)."""
AHEAD = 65_536
"""Unparsed bytes of a connection above which it is not read."""
SLICE = 8_192
"""Bytes that are parsed at a time, because a tiny request takes a hundred times its bytes in memory."""
_LAST_CHUNK = b"0\r\n\r\n"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}" for status in HTTPStatus}
BODILESS = frozenset({204, 304})
"""Statuses of responses without body and length."""


class Connection(asyncio.Protocol):
    """One client. `since` is the second of the site's clock since when we wait for it, `due` the deadline.

    `held` is the memory that waits for it in bytes: unanswered requests and untaken responses.
    """

    def __init__(self, site: Connections) -> None:
        self.since = site.now
        self.due = site.now + FIRST
        self.held = 0
        self._site = site
        self._reader = Reader(site.max_body, site.streams)
        self._upload: Upload | None = None
        self._transport: Transport
        self._unread = b""
        self._waiting: deque[Request | Refusal] = deque()
        self._ahead = 0
        self._answering: Request | Refusal | None = None
        self._pieces: StreamingBody | None = None
        self._file: FileBody | None = None
        self._unsent = 0
        self._going_on = self._later = False
        self._receiving = False
        self._half_closed = False
        self._ended = False
        self._clogged = False
        self._chunked = False
        self._peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio, as are the methods that follow."""
        self._transport = cast(Transport, transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._site.admit(self):
            answer = later(problem_answer(503, "too many are connected: come again"))
            self._transport.write(encoded(answer, self._site.date, last=True, bodiless=False))
            self._end()

    def connection_lost(self, _error: Exception | None) -> None:
        self._leave()
        self._close_file()
        self._hurry()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unread += data
        self._go_on()
        if len(self._unread) > AHEAD:
            self._transport.pause_reading()
        self._account()

    def eof_received(self) -> bool:
        """A half-closed client may still wait for a response, but not for long, because most have left."""
        if self._ended:
            return False
        self._half_closed = True
        self._take_upload(everything=True)
        if self._upload is not None:
            self._upload.break_off()
        self._hurry()
        self._go_on()
        return not self._ended or self._transport.get_write_buffer_size() > 0

    def pause_writing(self) -> None:
        self._clogged = True
        self._unsent = unsent(self._transport)
        self._await(RECEIVE)

    def resume_writing(self) -> None:
        self._clogged = False
        if self._ended:
            self._await(LINGER)
        elif self._pieces is not None:
            self._await(NEVER)
            self._pieces.resume()
        elif self._file is not None:
            self._await(NEVER)
            self._send_file()
        self._go_on()
        self._account()

    def _go_on(self) -> None:
        """Answers what can be answered. Not recursive, because a client may send thousands of requests at once."""
        if self._going_on or self._later:
            return
        self._going_on = True
        self._take_upload()
        until = perf_counter() + TURN
        try:
            while self._is_free() and (self._unread or self._waiting or self._broke_off()):
                self._step()
                if perf_counter() > until:
                    self._go_on_later()
                    return
        finally:
            self._going_on = False
        if self._is_free():
            self._wait()

    def _is_free(self) -> bool:
        return self._answering is None and not (self._ended or self._clogged)

    def _broke_off(self) -> bool:
        return self._half_closed and self._reader.receiving

    def _step(self) -> None:
        """Answers the next complete request, or else parses more."""
        if self._waiting:
            item = self._waiting.popleft()
            self._ahead -= item.weight
            self._answer(item)
        elif self._unread:
            self._read_some()
        else:
            self._waiting.append(self._reader.refusal(400, "the request broke off"))

    def _go_on_later(self) -> None:
        self._later = True
        self._site.go_on_later(self)

    def go_on(self) -> None:
        """Called by the site when it is this connection's turn again."""
        self._later = False
        self._go_on()
        self._account()

    def _read_some(self) -> None:
        some, self._unread = self._unread[:SLICE], self._unread[SLICE:]
        read = self._reader.feed(some)
        self._waiting += read
        self._ahead += sum(item.weight for item in read)

    def _take_upload(self, *, everything: bool = False) -> None:
        """Parses more of a body that is being forwarded. The client has a deadline while there is room for more."""
        upload = self._upload
        if upload is None or self._ended:
            return
        while self._unread and not upload.done and (everything or not upload.is_full):
            self._read_some()
        if upload.done:
            self._upload = None
            self._await(NEVER)
        elif upload.is_full:
            self._await(NEVER)
        else:
            self._await(RECEIVE)
            self._transport.resume_reading()
        self._account()

    def _account(self) -> None:
        """Reports to the site how much this connection holds."""
        held = 0
        if self in self._site.connections:
            held = len(self._unread) + self._ahead + self._reader.held + self._transport.get_write_buffer_size()
        if held != self.held:
            change, self.held = held - self.held, held
            self._site.hold(change)

    def _await(self, seconds: int) -> None:
        """Sets the client's deadline, counted from now."""
        self.since = self._site.now if seconds < NEVER else NEVER
        self.due = self._site.now + seconds

    def _answer(self, item: Request | Refusal) -> None:
        self._answering = item
        self._await(NEVER)
        if isinstance(item, Refusal):
            answer = (failure if item.delivery else problem_answer)(item.status, item.message)
            self._respond(later(answer) if item.status == HTTPStatus.SERVICE_UNAVAILABLE else answer)
        else:
            item.peer = self._peer
            item.ending = self._half_closed or self._site.closing
            if isinstance(item.body, Upload):
                self._begin_upload(item.body)
            self._site.answer(item, self._respond)

    def _begin_upload(self, upload: Upload) -> None:
        if self._reader.expects:
            self._reader.expects = False
            self._transport.write(_GO_ON)
        self._upload, upload.taken = upload, self._take_upload
        self._take_upload()

    def _is_last(self, item: Request) -> bool:
        """Whether the connection ends after this response, for instance because the request's body is incomplete."""
        return self._site.closing or item.last or self._upload is not None

    def _wait(self) -> None:
        """Waits for the next request, or for the rest of one that has begun."""
        if self._half_closed:
            self._end()
            return
        receiving = self._reader.receiving
        if receiving and self._reader.expects:
            self._reader.expects = False
            self._transport.write(_GO_ON)
        if not receiving:
            self._await(IDLE)
        elif not self._receiving:
            self._await(RECEIVE)
        self._receiving = receiving
        self._transport.resume_reading()

    def _respond(self, answer: Answer | Sending | StreamingBody | None) -> None:
        if isinstance(answer, Sending):
            self._begin_file(answer)
            return
        if isinstance(answer, StreamingBody):
            self._begin(answer)
            return
        if answer is None or self._pieces is not None:
            self._finish(whole=answer is None)
            return
        item, self._answering, self._receiving = self._answering, None, False
        if self._ended or item is None:
            return
        last = isinstance(item, Refusal) or self._is_last(item)
        bodiless = isinstance(item, Request) and item.method == "HEAD"
        self._transport.write(encoded(answer, self._site.date, last=last, bodiless=bodiless))
        if last:
            self._end()
        else:
            self._go_on()
        self._account()

    def _begin(self, pieces: StreamingBody) -> None:
        """Sends the head. Without a length, an HTTP/1.0 body ends with the connection (RFC 9112, 6.3)."""
        item = self._answering
        if self._ended or not isinstance(item, Request):
            return
        self._pieces, pieces.send = pieces, self._send
        self._chunked = item.version != "1.0" and not has_length(pieces.headers)
        headers = [*pieces.headers, ("transfer-encoding", "chunked")] if self._chunked else pieces.headers
        last = self._is_last(item)
        head = Answer(pieces.status, headers, b"")
        self._transport.write(encoded(head, self._site.date, last=last, bodiless=True))

    def _send(self, piece: bytes) -> None:
        """Sends a piece. The next one is made once the client has taken it."""
        if not self._ended:
            self._transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
            self._account()
        if self._pieces is not None and (self._ended or not self._clogged):
            self._pieces.resume()

    def _finish(self, *, whole: bool) -> None:
        """Ends a streamed response. An incomplete one must not look complete."""
        item, self._answering, self._pieces, self._receiving = self._answering, None, None, False
        if self._ended or not isinstance(item, Request):
            return
        if not whole:
            self._transport.abort()
            return
        if self._chunked:
            self._transport.write(_LAST_CHUNK)
        if self._is_last(item):
            self._end()
        else:
            self._go_on()

    def _begin_file(self, sending: Sending) -> None:
        item, self._file, self._chunked = self._answering, sending.body, False
        if self._ended or not isinstance(item, Request):
            self._close_file()
            return
        head = Answer(sending.status, sending.headers, b"")
        last = self._is_last(item)
        self._transport.write(encoded(head, self._site.date, last=last, bodiless=True))
        self._send_file()

    def _send_file(self) -> None:
        """Sends one piece per iteration of the loop while the client takes them, so that others have their turns."""
        if self._file is None or self._ended or self._clogged:
            return
        if piece := self._file.piece():
            self._transport.write(piece)
            self._account()
            if not self._clogged:
                asyncio.get_running_loop().call_soon(self._send_file)
        else:
            self._close_file()
            self._finish(whole=True)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _hurry(self) -> None:
        """Makes a request end that waits or streams its response."""
        if isinstance(self._answering, Request):
            self._answering.ending = True
        if self._pieces is not None:
            self._pieces.resume()

    def _end(self) -> None:
        """Closes our side, and discards what the client still sends for a while."""
        self._forget()
        if self._half_closed:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()
            self._await(RECEIVE if self._clogged else LINGER)

    @property
    def has_ended(self) -> bool:
        """Whether our side is closed."""
        return self._ended

    def overdue(self) -> None:
        """Called by the site when the client's deadline has passed."""
        if self._clogged and (left := unsent(self._transport)) < self._unsent:
            self._unsent, self.due = left, self._site.now + RECEIVE
            return
        self._part(408, "the request did not arrive in time")

    def give_way(self) -> None:
        """Called by the site when it needs room."""
        self._part(503, "too much is under way: send again")
        self._account()

    def _part(self, status: int, message: str) -> None:
        """Ends the connection: with a response if it is in order now, else by a reset."""
        if self._later or not (self._is_free() and self._reader.receiving):
            self._transport.abort()
            self._leave()
        else:
            self._waiting.append(self._reader.refusal(status, message))
            self._go_on()

    def _leave(self) -> None:
        self._forget()
        self._site.connections.pop(self, None)
        self._account()

    def _forget(self) -> None:
        """Stops reading and drops what was read."""
        self._ended = True
        self._unread, self._ahead = b"", 0
        self._waiting.clear()
        self._reader.drop()
        if self._upload is not None:
            self._upload.break_off()
            self._upload = None

    def close_if_idle(self) -> None:
        """Called when the site closes. A pending response is sent first; a stalled stream is cut."""
        if self._answering is None and not self._waiting:
            self._transport.close()
        elif (self._pieces or self._file) is not None and self._clogged:
            self._transport.abort()
        else:
            self._hurry()

    def abort(self) -> None:
        """Resets the connection at once."""
        self._transport.abort()


def encoded(answer: Answer, date: str, *, last: bool, bodiless: bool) -> bytes:
    """Encodes a response. `bodiless`: only the head, without a length that is unknown."""
    first = _LINES.get(answer.status) or f"HTTP/1.1 {answer.status} "
    lines = [first, *[f"{name}: {value}" for name, value in answer.headers]]
    if not any(name.lower() == "date" for name, _ in answer.headers):
        lines.append(date)
    if answer.status not in BODILESS and not has_length(answer.headers) and (answer.body or not bodiless):
        lines.append(f"content-length: {len(answer.body)}")
    if last:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("latin-1")
    return b"%s\r\n\r\n%s" % (head, b"" if bodiless or answer.status in BODILESS else answer.body)


def later(answer: Answer) -> Answer:
    """The same response with `Retry-After`."""
    return answer._replace(headers=[*answer.headers, ("retry-after", "2")])


def has_length(headers: Sequence[tuple[str, str]]) -> bool:
    """Whether a length is declared. Flask does so itself, also for HEAD."""
    return any(name.lower() == "content-length" for name, _ in headers)
