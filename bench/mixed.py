"""Traffic of all four providers as a service has it: visits that end in every way, regulars, streams without an end."""

import itertools
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from time import time
from typing import NamedTuple

from adapters.config import load
from adapters.providers import sign_svix, sign_wms
from adapters.simulator import SCENARIOS, Message, ScenarioContext, disturbed
from bench.servers import settings_of
from bench.traffic import SECRET, SOURCE
from core.event import SECOND
from wiring.opening import open_components

_SVIX_SECRET = "whsec_YSBzZWNyZXQgZm9yIGJlbmNobWFya3Mgb25seQ=="
PROVIDERS = {SOURCE: "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
"""By source."""

MORE = """
[sources.energy]
provider = "amps"
secrets = ["file:var/energy.secret"]
[sources.captions]
provider = "mentraos"
package_name = "com.example.captions"
[sources.older]
provider = "augmentos"
"""
"""What the configuration has beside the one source of the other benchmarks."""

AT_ONCE = 256
"""Visitors at a time; one of each source's stays for ever, so its stream has this share of all."""

_BATCH = 1_024
_PAST = 2 * 86_400
_WEIGHTS = (60, 25, 10, 5)
_REGULARS = 2_000
_FORGED, _TWICE, _LATE, _CUT = 1 / 500, 1 / 50, 1 / 50, 1 / 20
_STAYING = (
    (SOURCE, "retry_then_success", "sessionId"),
    ("energy", "devices", "deviceId"),
    ("captions", "registration", "registrationId"),
)
_OFTEN = {"wms": ("happy",) * 12, "amps": ("push_completed",) * 12, "mentraos": (), "augmentos": ()}


class Sent(NamedTuple):
    """A delivery: to which source, its headers as a server hands them over, its raw body."""

    source: str
    headers: list[tuple[str, str]]
    body: bytes


class Mixed:
    """A stream of deliveries that has no end; the same for a seed, but for the time."""

    def __init__(self, seed: int = 1) -> None:
        self._random = Random(seed)
        self._now = (int(time()) - _PAST) * SECOND

    def __iter__(self) -> Iterator[Sent]:
        stay = [self._staying(*one) for one in _STAYING]
        visitors = deque([*stay, *(self._visitor() for _ in range(AT_ONCE - len(stay)))])
        for visitor in itertools.cycle(visitors):
            self._now += SECOND // 8
            yield next(visitor)

    def _visitor(self) -> Iterator[Sent]:
        """Play after play, each of some source and in some way."""
        while True:
            (source,) = self._random.choices(list(PROVIDERS), _WEIGHTS)
            provider = PROVIDERS[source]
            scenario = self._random.choice((*SCENARIOS[provider], *_OFTEN[provider]))
            yield from self._played(source, SCENARIOS[provider][scenario], self._context(provider))

    def _context(self, provider: str) -> ScenarioContext:
        """Who wears glasses comes back, under the same names."""
        regular = provider in {"augmentos", "mentraos"}
        seed = self._random.randrange(_REGULARS) if regular else self._random.getrandbits(64)
        return ScenarioContext(Random(seed), self._now)

    def _played(
        self, source: str, scenario: Callable[[ScenarioContext, str], Sequence[Message]], context: ScenarioContext
    ) -> Iterator[Sent]:
        sent = scenario(context, PROVIDERS[source])
        if self._random.random() < _CUT:
            sent = sent[: self._random.randint(1, len(sent))]
        for message in disturbed(sent, _TWICE, _LATE, self._random):
            yield self._signed(source, message)

    def _staying(self, source: str, scenario: str, field: str) -> Iterator[Sent]:
        """One that tells of itself as long as there is traffic: the same play again and again, under one name."""
        provider, name = PROVIDERS[source], f"{scenario}-always"
        while True:
            context = ScenarioContext(Random(self._random.getrandbits(64)), self._now)
            for message in SCENARIOS[provider][scenario](context, provider):
                told = json.dumps(json.loads(message.body) | {field: name}).encode()
                yield self._signed(source, Message(told, message.identity))

    def _signed(self, source: str, message: Message) -> Sent:
        headers = [("host", "127.0.0.1"), ("content-type", "application/json"), ("user-agent", "mixed/1.0")]
        headers.append(("content-length", str(len(message.body))))
        return Sent(source, [*headers, *self._signature(PROVIDERS[source], message).items()], message.body)

    def _signature(self, provider: str, message: Message) -> dict[str, str]:
        forged = self._random.random() < _FORGED
        body = message.body + b" " if forged else message.body
        if provider == "wms":
            return sign_wms(SECRET, body)
        return sign_svix(_SVIX_SECRET, message.identity, int(time()), body) if provider == "amps" else {}


def main(folder: str, url: str, count: str) -> None:
    """Puts at least so many events into a database, in a process of its own."""
    (Path(folder) / "var").mkdir(parents=True)
    (Path(folder) / "var/energy.secret").write_text(_SVIX_SECRET)
    parts = open_components(load(None, settings_of(Path(folder), url, MORE)))
    door, log, traffic, events = parts.door(), parts.log(), iter(Mixed()), 0
    while events < int(count):
        items = [door.receive(*sent) for sent in itertools.islice(traffic, _BATCH)]
        events += sum(receipt.verdict == "new" for receipt in log.append(items))
    print(events)
    log.close()
    parts.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
