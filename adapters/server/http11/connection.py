"""Speaks HTTP/1.1 with clients: requests in, each answered in its turn, under deadlines for whoever is slow."""

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
"""Seconds in which a whole request has to arrive, once it has begun, and in which some of an answer has to be taken."""
FIRST = 10
"""Seconds for the first byte of a connection."""
IDLE = 75
"""Seconds that a connection may stay silent: longer than proxies keep theirs, so that they are the ones who close."""
LINGER = 3
"""Seconds in which what still comes is dropped: who closes at once may take the last answer along (RFC 9112, 9.6)."""
AHEAD = 65_536
"""Bytes of one connection behind which it is not read, while what came before them is answered."""
SLICE = 8_192
"""Bytes that are parsed at a time: of a thousand tiny requests in a row, each is a hundred times its bytes."""
_LAST_CHUNK = b"0\r\n\r\n"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}" for status in HTTPStatus}
BODILESS = frozenset({204, 304})
"""Answers that have no body, nor a length."""


class Connection(asyncio.Protocol):
    """One client. `since`: the second of the site's clock from which it is waited for; `due`: until when it is.

    `held`: bytes that wait for it: what it sent and is not asked of anybody yet, and answers that it has not taken.
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
        """Asyncio's call, as are all that follow here."""
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
        """A client that has said all may still wait for an answer, but not for long: most of them have left."""
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
        """Answers what can be answered. Not a call within a call: a client may send thousands of requests at once."""
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
        """Answers the next request that is whole, or else reads on."""
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
        """The site's call: it is this connection's turn again."""
        self._later = False
        self._go_on()
        self._account()

    def _read_some(self) -> None:
        some, self._unread = self._unread[:SLICE], self._unread[SLICE:]
        read = self._reader.feed(some)
        self._waiting += read
        self._ahead += sum(item.weight for item in read)

    def _take_upload(self, *, everything: bool = False) -> None:
        """Reads on in a body that is handed on meanwhile; the client is waited for while there is room for more."""
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
        """Tells the site what this connection holds by now."""
        held = 0
        if self in self._site.connections:
            held = len(self._unread) + self._ahead + self._reader.held + self._transport.get_write_buffer_size()
        if held != self.held:
            change, self.held = held - self.held, held
            self._site.hold(change)

    def _await(self, seconds: int) -> None:
        """From now on the client is waited for, so long."""
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
        """Whether nothing is read behind its answer; nothing can be, where its body has not come whole."""
        return self._site.closing or item.last or self._upload is not None

    def _wait(self) -> None:
        """For a request: all of it, once it has begun."""
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
        """The head; without a length, HTTP/1.0 has the body end with the connection (RFC 9112, 6.3)."""
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
        """One piece; the next one is made once the client takes it."""
        if not self._ended:
            self._transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
            self._account()
        if self._pieces is not None and (self._ended or not self._clogged):
            self._pieces.resume()

    def _finish(self, *, whole: bool) -> None:
        """Behind the last piece. A body that is not whole must not look so."""
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
        """A piece for each turn of the loop, as long as the client takes them: others have their turns between."""
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
        """Whoever waits before the answer, or makes it piece by piece, ends."""
        if isinstance(self._answering, Request):
            self._answering.ending = True
        if self._pieces is not None:
            self._pieces.resume()

    def _end(self) -> None:
        """Says that this was all, and hears the client out for a while."""
        self._forget()
        if self._half_closed:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()
            self._await(RECEIVE if self._clogged else LINGER)

    @property
    def has_ended(self) -> bool:
        """Whether all is said, and the client only heard out."""
        return self._ended

    def overdue(self) -> None:
        """The site's call: whoever waits for a request, or for some of its answer to be taken, has waited enough."""
        if self._clogged and (left := unsent(self._transport)) < self._unsent:
            self._unsent, self.due = left, self._site.now + RECEIVE
            return
        self._part(408, "the request did not arrive in time")

    def give_way(self) -> None:
        """The site's call: it needs the room."""
        self._part(503, "too much is under way: send again")
        self._account()

    def _part(self, status: int, message: str) -> None:
        """In words, where they can be in their turn."""
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
        """Nothing is read any more, and what was read is let go."""
        self._ended = True
        self._unread, self._ahead = b"", 0
        self._waiting.clear()
        self._reader.drop()
        if self._upload is not None:
            self._upload.break_off()
            self._upload = None

    def close_if_idle(self) -> None:
        """The site closes: whoever waits for an answer gets it first; of one in pieces, what is taken by now."""
        if self._answering is None and not self._waiting:
            self._transport.close()
        elif (self._pieces or self._file) is not None and self._clogged:
            self._transport.abort()
        else:
            self._hurry()

    def abort(self) -> None:
        """Whatever is under way."""
        self._transport.abort()


def encoded(answer: Answer, date: str, *, last: bool, bodiless: bool) -> bytes:
    """An answer as it goes over the wire; `bodiless`: its head, which tells no length that is not known."""
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
    """The same to somebody who should come again."""
    return answer._replace(headers=[*answer.headers, ("retry-after", "2")])


def has_length(headers: Sequence[tuple[str, str]]) -> bool:
    """Flask declares a length itself, also where it leaves the body to be left out (HEAD)."""
    return any(name.lower() == "content-length" for name, _ in headers)
