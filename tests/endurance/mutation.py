"""Bodies to fuzz with: what was found to be a fault once, and then what the simulator sends, mutated."""

import random
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path

from adapters.simulator import SCENARIOS, ScenarioContext
from core.event import SECOND

CORPUS = Path(__file__).parent / "corpus"
SOURCES = {"clinic": "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
LONGEST = 200_000
"""Bytes of a body."""
ROUND = 1_000
"""Bodies that are made of the same sessions, before there are new ones: no session grows as long as a run."""
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
    for number in count(1):
        seeds = [(source, body) for source, provider in SOURCES.items() for body in _seeds(provider, number)]
        for source, body in (chance.choice(seeds) for _ in range(ROUND)):
            yield source, _mutated_often(chance, body, seeds)


def _mutated_often(chance: random.Random, body: bytes, seeds: Sequence[tuple[str, bytes]]) -> bytes:
    for _ in range(chance.choice([0, 1, 1, 2, 4, 8])):
        body = mutated(chance, body, chance.choice(seeds)[1])
    return body


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


def _seeds(provider: str, number: int) -> list[bytes]:
    """The same for every sender: they go on to new sessions about together."""
    context = ScenarioContext(random.Random(number), 1_700_000_000 * SECOND)
    return [message.body for play in SCENARIOS[provider].values() for message in play(context, provider)]
