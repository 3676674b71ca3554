"""Starts the processes of a service, keeps them running, and ends those that serve before the one that writes.

Each is told to end by the end of its standard input, which comes with its parent's however that dies: nobody serves or
writes on unsupervised.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Event, Lock, Thread
from typing import IO, Any

import structlog

from adapters.server.ending import RELOAD, STOPS
from adapters.server.handed import framed
from adapters.server.pulse import PULSE, outlive
from adapters.server.writer import Appends, Writer

_LISTENER = "HOOKFOLD_LISTENER_FD"
_TALLIES = "HOOKFOLD_TALLY_FDS"
_WRITER = "HOOKFOLD_WRITER_FD"
_ACCEPTED = 1_024
"""Connections that may wait for a process that serves, as far as the system lets them."""
_UNHEARD = 30_000
"""Milliseconds for a client to acknowledge what it is sent (RFC 5482): one that vanished holds its place no longer."""
_PAUSE = 0.1
"""Seconds before a death is told, and again before the next start; each death at the start doubles those."""
_LONGEST_PAUSE = 5.0
_STEADY = 10.0
"""Seconds from its first sign of life behind which a process did not die at its start."""
_DEATHS = 8
"""Deaths at its start, one after another, behind which nobody starts it any more: whoever supervises us has to know."""
_LAST_WORDS = 90.0
"""Seconds for a process that was told to end; behind them it is killed: what it has not answered is sent again."""
GiveUp = Callable[[str], None]
Passed = Mapping[str, Sequence[int]]
_logger = structlog.get_logger()


def write_for_parent(log: Appends) -> None:
    """Runs the writer on the socket that `writing` hands over, until the parent's end of standard input closes.

    Who stops a whole service at once reaches this process too: the parent ends it, behind those that still answer.
    """
    for ignored in STOPS:
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    Writer(listener(), sys.stdin, log).run()


def listener() -> socket.socket:
    """The socket that the parent handed over."""
    return socket.socket(fileno=int(os.environ[_LISTENER]))


def tallies() -> tuple[int, list[int]]:
    """The file for what this process counts, and those of all that serve: the parent handed them over."""
    own, *every = map(int, os.environ[_TALLIES].split())
    return own, every


def to_writer() -> socket.socket:
    """What the parent handed over to connect to the writing process through."""
    return socket.socket(fileno=int(os.environ[_WRITER]))


@contextmanager
def writing(code: str, hand: Any, give_up: GiveUp) -> Iterator[socket.socket]:
    """A process that runs `code` (which calls `write_for_parent`) while the block lasts; it is started anew if it dies.

    Who is given the socket can connect to it. `hand`: what that process finds as `handed()`. The socket outlives it:
    who connects meanwhile waits. `give_up` is told why nobody starts it any more, where it dies at its start again and
    again.
    """
    taking, handing = socket.socketpair()
    with taking, handing:
        taking.setblocking(False)
        handing.setblocking(False)
        with _kept(code, hand, {_LISTENER: [taking.fileno()]}, "writer_died", give_up):
            yield handing


@contextmanager
def counting(processes: int) -> Iterator[Sequence[int]]:
    """A file for what each of so many processes counts, while the block lasts."""
    with ExitStack() as opened:
        yield [opened.enter_context(_file()).fileno() for _ in range(processes)]


@contextmanager
def delivering(code: str, hand: Any, writing: socket.socket, tallies: Sequence[int]) -> Iterator[Callable[[Any], None]]:
    """A process that runs `code` (which calls `relay_for_parent`) while the block lasts; the last tally is its own.

    One that dies at its start again and again stays away: what it has to do waits, and the service goes on. What is
    given hands it something else.
    """
    own = tallies[-1]
    with _kept(
        code, hand, {_WRITER: [writing.fileno()], _TALLIES: [own, *tallies]}, "relay_died", _relay_stays_away
    ) as keeper:
        yield keeper.hand


def _relay_stays_away(why: str) -> None:
    _logger.error(
        "relay_given_up", reason=why, mend="mend it and start the service anew: what is to be delivered waits"
    )


@contextmanager
def serving(
    code: str,
    hand: Any,
    host: str,
    port: int,
    processes: int,
    writing: socket.socket | None,
    tallies: Sequence[int],
    give_up: GiveUp,
) -> Iterator[Callable[[Any], None]]:
    """So many processes that run `code` while the block lasts, each with a socket of its own on the one port.

    `hand`: what they find as `handed()`; `writing`: as `to_writer()`, None where nobody writes; `tallies`: what they
    count in, the first ones their own. The sockets outlive them: who connects meanwhile waits. `give_up`: as above.
    What is given hands them something else, for as long as they live and to the next ones.
    """
    writer = {} if writing is None else {_WRITER: [writing.fileno()]}
    with ExitStack() as opened:
        sockets = [opened.enter_context(_listening(host, port)) for _ in range(processes)]
        passed = [
            {_LISTENER: [listening.fileno()], _TALLIES: [own, *tallies], **writer}
            for listening, own in zip(sockets, tallies, strict=False)
        ]
        keepers = [opened.enter_context(_kept(code, hand, one, "server_died", give_up)) for one in passed]
        try:
            yield partial(_hand_to, keepers)
        finally:
            for keeper in keepers:  # at once: each may have clients that it waits for
                keeper.tell()


def _hand_to(keepers: Iterable["Supervisor"], hand: Any) -> None:
    for keeper in keepers:
        keeper.hand(hand)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sys.platform == "linux":  # its connections take it over
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD)
        listening.bind((host, port))
        listening.listen(_ACCEPTED)
        yield listening


def _file() -> IO[bytes]:
    """One without a name, which ends with the last process that holds it."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("hookfold-tally"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


@contextmanager
def _kept(code: str, hand: Any, passed: Passed, death: str, give_up: GiveUp) -> Iterator["Supervisor"]:
    keeper = Supervisor([sys.executable, "-c", code], hand, passed, death, give_up)
    try:
        yield keeper
    finally:
        keeper.stop()


class Supervisor:
    """Keeps a process running until it is told to stop. `death` is what the log says where one ends by itself.
    `passed`: the files that it has from us, and that outlive it, by the variables that tell it their numbers.

    One that was killed may have been in the way of somebody; one that ends by itself at its start, time and again, is
    broken: `give_up` is told so.
    """

    def __init__(self, command: Sequence[str], hand: Any, passed: Passed, death: str, give_up: GiveUp) -> None:
        self._command = command
        self._passed = {file for files in passed.values() for file in files}
        self._death = death
        self._give_up = give_up
        self._deaths = 0
        self._lives_since = 0.0
        numbers = {name: " ".join(map(str, files)) for name, files in passed.items()}
        self._env: Mapping[str, str] = {**os.environ, **numbers}
        self._handed = framed(hand)
        self._stopping = Event()
        self._starting = Lock()
        self._killed_at = 0.0
        self._process = self._start()
        self._thread = Thread(target=self._keep, name="hookfold-keeper", daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        """It begins with the signals that end a service held back: who stops a group must not meet it half made.

        The one that is for the main process alone stays so.
        """
        signs, giving = os.pipe()
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPS, RELOAD])
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                pass_fds=[*self._passed, giving],
                env={**self._env, PULSE: str(giving)},
            )
        except OSError:
            os.close(signs)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            os.close(giving)
        self._signs = signs
        self._give(process)
        return process

    def hand(self, hand: Any) -> None:
        """Gives the process something else than it was started with, and those that follow it."""
        with self._starting:
            self._handed = framed(hand)
            self._give(self._process)

    def _give(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin:
            with suppress(BrokenPipeError, ValueError):  # it died: that is seen by who waits for it
                process.stdin.write(self._handed)
                process.stdin.flush()

    def _keep(self) -> None:
        """The first pause is for who stops a whole service, and may have ended this process before we are told."""
        while True:
            status = self._outlived()
            if self._stopping.wait(_PAUSE):
                return
            self._count(status)
            _logger.error(self._death, status=status, deaths_at_start=self._deaths)
            if self._deaths >= _DEATHS:
                self._give_up(f"{self._death}: {_DEATHS} times at its start, with status {status}; see the lines above")
                return
            while not self._stopping.wait(min(_LONGEST_PAUSE, _PAUSE * 2**self._deaths)):
                if self._restarted():
                    break
            else:
                return

    def _outlived(self) -> int:
        """The status with which it ended."""
        self._lives_since = 0.0
        if not outlive(self._process, self._signs, self._live):
            _logger.error("killed", reason="it gave no sign of life", process=self._process.pid)
        os.close(self._signs)
        _hang_up(self._process)
        return self._process.wait()

    def _live(self) -> None:
        self._lives_since = self._lives_since or time.monotonic()

    def _count(self, status: int) -> None:
        """Deaths at its start, one after another; what was killed (by whom is unknown here) says nothing of itself."""
        if self._lives_since and time.monotonic() - self._lives_since > _STEADY:
            self._deaths = 0
        elif status != -signal.SIGKILL:
            self._deaths += 1

    def _restarted(self) -> bool:
        """False where the system has no room for a process now, or none is wanted any more."""
        with self._starting:
            if self._stopping.is_set():
                return False
            try:
                self._process = self._start()
            except OSError as error:
                _logger.error("start_failed", reason=str(error))  # noqa: TRY400 - a line, not a traceback
                return False
        return True

    def tell(self) -> None:
        """Tells the process to end, once; it has so long from now on."""
        with self._starting:
            if not self._stopping.is_set():
                self._stopping.set()
                self._killed_at = time.monotonic() + _LAST_WORDS
                _hang_up(self._process)

    def stop(self) -> None:
        """Returns when the process has ended."""
        self.tell()
        self._thread.join(max(0.0, self._killed_at - time.monotonic()))
        if self._thread.is_alive():
            _logger.error("killed", reason="it did not end in time")
            self._process.kill()
            self._thread.join()


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """By which it knows that it has to end."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
