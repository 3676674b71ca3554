"""Bodies to fuzz with: what was found to be a fault once, and then what the simulator sends, mutated."""

import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from adapters.simulator import SCENARIOS, Stage
from core.event import SECOND

CORPUS = Path(__file__).parent / "corpus"
SOURCES = {"clinic": "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
LONGEST = 200_000
"""Bytes of a body."""
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


def bodies(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Each with the source that it is for."""
    for kept in sorted(CORPUS.glob("*.bin")):
        yield kept.name.partition("-")[0], kept.read_bytes()
    seeds = [(source, body) for source, provider in SOURCES.items() for body in _seeds(provider)]
    while True:
        source, body = chance.choice(seeds)
        for _ in range(chance.choice([0, 1, 1, 2, 4, 8])):
            body = mutated(chance, body, chance.choice(seeds)[1])
        yield source, body


def mutated(chance: random.Random, body: bytes, other: bytes) -> bytes:
    """The body, cut, doubled, overwritten, or spliced with the other one."""
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
    )[:LONGEST]


def keep(source: str, body: bytes) -> str:
    """Puts what was a fault into the corpus. Returns its file."""
    CORPUS.mkdir(exist_ok=True)
    file = CORPUS / f"{source}-{sha256(body).hexdigest()[:16]}.bin"
    file.write_bytes(body)
    return str(file)


def _seeds(provider: str) -> list[bytes]:
    stage = Stage(random.Random(1), 1_700_000_000 * SECOND)
    return [message.body for play in SCENARIOS[provider].values() for message in play(stage, provider)]
