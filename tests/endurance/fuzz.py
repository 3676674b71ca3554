"""`make fuzz`: mutated deliveries at a service of our own on loopback, for a time. Exit code 1 where one is a fault.

Seeds are what the simulator sends, and the bodies under `corpus/`, which were found to be faults once: they come first.
What is found is kept there.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

from adapters.providers import sign_svix, sign_wms
from adapters.simulator import SCENARIOS, Stage
from core.event import SECOND
from tests.support.raw import exchange
from tests.support.run import Run
from tests.support.service import AMPS_SECRET, WMS_SECRET, Service, running

CORPUS = Path(__file__).parent / "corpus"
SOURCES = {"clinic": "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
TOKENS = [
    *(
        b"\x00",
        b"\xff\xfe",
        b"\\u0000",
        b"\\ud800",
        b"1e400",
        b"-0",
        b"NaN",
        b"[" * 200,
        b'{"a":',
        b'"""',
        b"\xef\xbb\xbf",
    ),
    *(b"18446744073709551616", b"null", b"true", b"2023-02-30T25:61:61Z", b"\r\n\r\n", b"'", b"\xf0\x9f\x98\x80"),
]
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


class Found(NamedTuple):
    """What a service made of it."""

    sent: int
    statuses: Counter[int]
    faults: list[str]
    grown: float

    def __str__(self) -> str:
        by = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.sent} sent: {by}; memory grew by {self.grown:.0f} MiB; {len(self.faults)} faults"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    asked = parser.parse_args(arguments)
    sys.stdout.write(f"fuzz: seed {asked.seed}, {asked.seconds:.0f} s\n")
    with Run() as _, tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hookfold.db"
        with running(url, Path(folder)) as service:
            found = fuzz(service, random.Random(asked.seed), asked.seconds)
    sys.stdout.write("".join(f"{line}\n" for line in (*found.faults[:20], f"fuzz: {found}")))
    return 1 if found.faults else 0


def fuzz(service: Service, chance: random.Random, seconds: float) -> Found:
    """Sends until the time is over. A fault is one of FAULTS, a process that died, or memory that grows."""
    statuses, faults, sent = Counter[int](), list[str](), 0
    began, quarter, first = time.monotonic(), 0.0, service.children()
    for source, body in _bodies(chance):
        if time.monotonic() - began > seconds:
            break
        if not quarter and time.monotonic() - began > seconds / 4:
            quarter = memory(service)
        sent += 1
        status = _send_raw(service, chance, body) if chance.random() < RAW else _send(service, chance, source, body)
        statuses[status] += 1
        if status in FAULTS:
            faults.append(f"{status} for {source}: {_keep(source, body)}")
    grown = memory(service) - (quarter or memory(service))
    if service.children() != first:
        faults.append(f"a process died: {first} before, {service.children()} now")
    if grown > SLACK:
        faults.append(f"memory grew by {grown:.0f} MiB")
    if service.send("GET", "/readyz").json["status"] != "ok":
        faults.append("/readyz: " + service.send("GET", "/readyz").body.decode())
    return Found(sent, statuses, faults, grown)


def memory(service: Service) -> float:
    """MiB that the processes of the service hold."""
    children = service.children()
    processes = [service.process.pid, *children["writer"], *children["server"]]
    texts = [Path(f"/proc/{one}/status").read_text() for one in processes]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) / 1024


def _bodies(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    for kept in sorted(CORPUS.glob("*.bin")):
        yield kept.name.partition("-")[0], kept.read_bytes()
    seeds = [(source, body) for source, provider in SOURCES.items() for body in _seeds(provider)]
    while True:
        source, body = chance.choice(seeds)
        for _ in range(chance.choice([0, 1, 1, 2, 4, 8])):
            body = _mutated(chance, body, chance.choice(seeds)[1])
        yield source, body


def _seeds(provider: str) -> list[bytes]:
    stage = Stage(random.Random(1), 1_700_000_000 * SECOND)
    return [message.body for play in SCENARIOS[provider].values() for message in play(stage, provider)]


def _mutated(chance: random.Random, body: bytes, other: bytes) -> bytes:
    at, to = sorted((chance.randint(0, len(body)), chance.randint(0, len(body))))
    return chance.choice(
        [
            body[:at] + body[to:],
            body[:at] + chance.choice(TOKENS) + body[at:],
            body[:at] + chance.choice(TOKENS) + body[to:],
            body[:to] + body[at:to] * chance.randint(1, 5) + body[to:],
            body[:at] + other[chance.randint(0, len(other)) :],
            body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :],
        ]
    )[:200_000]


_connections: dict[int, HTTPConnection] = {}


def _send(service: Service, chance: random.Random, source: str, body: bytes) -> int:
    """0 where nobody answers."""
    secret = chance.random() < 0.9
    headers = {"content-type": "application/json"}
    if SOURCES[source] == "wms":
        headers |= sign_wms(WMS_SECRET if secret else "another", body)
    if SOURCES[source] == "amps":
        headers |= sign_svix(AMPS_SECRET, f"msg_{chance.randrange(2**20)}", int(time.time()) - 400 * (not secret), body)
    connection = _connections.setdefault(service.port, HTTPConnection("127.0.0.1", service.port, timeout=30))
    try:
        connection.request("POST", f"/in/{source}", body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, HTTPException):
        connection.close()
        return 0
    return answer.status


def _send_raw(service: Service, chance: random.Random, body: bytes) -> int:
    """Bytes that are no request, or nearly none. Whoever is cut off without an answer was no client: 400."""
    line = chance.choice(LINES)
    head = _mutated(chance, line + b"Host: x\r\nContent-Length: %d\r\n" % len(body), body[:50])
    try:
        return exchange(service.port, head + b"\r\n" + body[:1_000], end=True).status or 400
    except OSError:
        return 400


def _keep(source: str, body: bytes) -> str:
    CORPUS.mkdir(exist_ok=True)
    file = CORPUS / f"{source}-{sha256(body).hexdigest()[:16]}.bin"
    file.write_bytes(body)
    return str(file)


if __name__ == "__main__":
    sys.exit(main())
