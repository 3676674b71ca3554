"""`make fuzz`: mutated deliveries at a service of our own on loopback, for a time or a number of them.

Exit code 1 where one of them is a fault. Seeds are what the simulator sends, and the bodies under `corpus/`, which were
found to be faults once: they come first. What is found is kept there. Each sender draws from the seed and its number,
so the same seed has each send the same again, in the same order.
"""

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from threading import Event

from adapters.providers import sign_svix, sign_wms
from tests.endurance.mutation import SOURCES, bodies, keep, mutated
from tests.support.raw import exchange
from tests.support.run import Run
from tests.support.service import AMPS_SECRET, WMS_SECRET, Service, running

LINES = [
    *(b"POST /in/clinic HTTP/1.1\r\n", b"GET /v1/sessions?%s HTTP/1.1\r\n"),
    *(b"\xff\xff / HTTP/9.9\r\n", b"POST  /in/ HTTP/1.1\r\n"),
]
FAULTS = frozenset({0, 500, 502, 503, 504})
"""A method or a version that we do not know is 501 or 505."""
RAW = 0.05
"""Of all that is sent, what is no request, or nearly none."""
SLACK = 64
"""MiB by which all processes together may grow between the first quarter and the end: caches fill."""


class Sender:
    """Sends its own mutations, one after the other, until it has sent as many as it may, or `stop`."""

    def __init__(self, port: int, seed: int, number: int, deliveries: int | None, stop: Event) -> None:
        self.statuses = Counter[int]()
        self.faults: list[str] = []
        self._port = port
        self._chance = random.Random(f"{seed}-{number}")
        self._deliveries, self._stop = deliveries, stop
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def run(self) -> None:
        for source, body in islice(bodies(self._chance), self._deliveries):
            if self._stop.is_set():
                break
            status = self._send_raw(body) if self._chance.random() < RAW else self._send(source, body)
            self.statuses[status] += 1
            if status in FAULTS:
                self.faults.append(f"{status} for {source}: {keep(source, body)}")
        self._connection.close()

    def _send(self, source: str, body: bytes) -> int:
        """The answer's status; 0 where nobody answers."""
        with suppress(OSError, HTTPException):
            self._connection.request("POST", f"/in/{source}", body, self._headers(source, body))
            answer = self._connection.getresponse()
            answer.read()
            return answer.status
        self._connection.close()
        return 0

    def _headers(self, source: str, body: bytes) -> dict[str, str]:
        """Nine of ten are signed rightly."""
        right = self._chance.random() < 0.9
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        if SOURCES[source] == "wms":
            headers |= sign_wms(WMS_SECRET if right else "another", body)
        if SOURCES[source] == "amps":
            message = f"msg_{self._chance.randrange(2**20)}"
            headers |= sign_svix(AMPS_SECRET, message, int(time.time()) - 400 * (not right), body)
        return headers

    def _send_raw(self, body: bytes) -> int:
        """Bytes that are no request, or nearly none. Whoever is cut off without an answer was no client: 400."""
        line = self._chance.choice(LINES)
        head = mutated(self._chance, line + b"Host: x\r\nContent-Length: %d\r\n" % len(body), body[:50])
        try:
            return exchange(self._port, head + b"\r\n" + body[:1_000], end=True).status or 400
        except OSError:
            return 400


class Memory:
    """What all processes of a service hold, in MiB, over a run."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.quarter = self.most = self.now = 0.0

    def look(self, done: float) -> None:
        """`done`: which part of the run is over."""
        texts = [Path(f"/proc/{one}/status").read_text() for one in _processes(self._service)]
        self.now = sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) / 1024
        self.most = max(self.most, self.now)
        if done <= 0.25:
            self.quarter = self.now

    @property
    def grown(self) -> float:
        return self.now - self.quarter

    def __str__(self) -> str:
        return (
            f"memory {self.quarter:.0f} MiB in the first quarter, {self.now:.0f} MiB now, {self.most:.0f} MiB at most"
        )


class Fuzz:
    """Senders at a service. `sent`: how many deliveries, by the status of their answer."""

    def __init__(self, service: Service, seed: int, senders: int, seconds: float, deliveries: int | None) -> None:
        self._service, self._first = service, _processes(service)
        self._seconds, self._deliveries = seconds, deliveries
        self._memory, self._stop, self._began = Memory(service), Event(), time.monotonic()
        shares = [deliveries and deliveries // senders + (number < deliveries % senders) for number in range(senders)]
        self._senders = [Sender(service.port, seed, number, share, self._stop) for number, share in enumerate(shares)]
        self.faults: list[str] = []

    @property
    def sent(self) -> Counter[int]:
        return sum((one.statuses for one in self._senders), Counter())

    def run(self) -> None:
        """Until the time is over or all is sent."""
        with ThreadPoolExecutor(len(self._senders)) as pool:
            try:
                self._watch([pool.submit(one.run) for one in self._senders])
            finally:
                self._stop.set()
        self.faults = [*(fault for one in self._senders for fault in one.faults), *self._amiss()]

    def _watch(self, running: Collection[Future[None]]) -> None:
        tenth = 1
        while running and (done := self._done()) < 1:
            self._memory.look(done)
            if done * 10 >= tenth:
                tenth = int(done * 10) + 1
                sys.stdout.write(f"fuzz: {self}\n")
                sys.stdout.flush()
            ended, running = wait(running, timeout=1, return_when=FIRST_EXCEPTION)
            for one in ended:
                one.result()
        self._memory.look(1)

    def _done(self) -> float:
        """Which part of the run is over."""
        by_time = (time.monotonic() - self._began) / self._seconds
        return max(by_time, self.sent.total() / self._deliveries if self._deliveries else 0)

    def _amiss(self) -> Iterator[str]:
        if (now := _processes(self._service)) != self._first:
            yield f"a process died: {self._first} before, {now} now"
        if self._memory.grown > SLACK:
            yield f"memory grew by {self._memory.grown:.0f} MiB"
        if (ready := self._service.send("GET", "/readyz")).json["status"] != "ok":
            yield f"/readyz: {ready.body.decode()}"

    def __str__(self) -> str:
        by = ", ".join(f"{count:,} x {status}" for status, count in sorted(self.sent.items()))
        return f"{self.sent.total():,} sent in {time.monotonic() - self._began:.0f} s: {by}; {self._memory}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, help="60, where no number of deliveries is given")
    parser.add_argument("--deliveries", type=int, help="by all senders together")
    parser.add_argument("--senders", type=int, default=16)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    asked = parser.parse_args(arguments)
    seconds = asked.seconds or (math.inf if asked.deliveries else 60.0)
    sys.stdout.write(f"fuzz: seed {asked.seed}, {asked.senders} senders\n")
    with (
        Run() as _,
        tempfile.TemporaryDirectory() as folder,
        running(f"sqlite:///{folder}/hookfold.db", Path(folder)) as service,
    ):
        fuzz = Fuzz(service, asked.seed, asked.senders, seconds, asked.deliveries)
        fuzz.run()
    told = [*fuzz.faults[:20], f"fuzz: {fuzz}; {len(fuzz.faults)} faults"]
    sys.stdout.write("".join(f"{line}\n" for line in told))
    return 1 if fuzz.faults else 0


def _processes(service: Service) -> list[int]:
    return [service.process.pid, *(one for kind in service.children().values() for one in kind)]


if __name__ == "__main__":
    sys.exit(main())
