"""State, list page and timeline over HTTP, asked of a small log and of a large one in turn; and what ingest loses."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median

from bench.asking import Asking
from bench.command import Place, main
from bench.fill import filled, first_sessions
from bench.measure import interleaved, percentile, ratios, say
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import BY_DEFAULT, SERVICE_SECRET, Server, hookfold
from bench.traffic import SOURCE, STEPS, session_id
from core.ids import Ids

AT_MOST = {"state": {50: 1.2, 99: 1.5}}
INGEST_AT_LEAST = 0.9
CONNECTIONS = 16

Question = Callable[[str], str]
"""Our id of a session -> the path that asks."""

QUESTIONS: dict[str, Question] = {
    "state": lambda session: f"/v1/sessions/{session}",
    "list page": lambda _: "/v1/sessions?state=closed&limit=20",
    "timeline": lambda session: f"/v1/sessions/{session}/timeline",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two services over logs of different size, and sessions that both have."""

    small: Server
    large: Server
    sessions: list[str]


def query(place: Place) -> list[Figure]:
    """Every database; one process serves the small log, another one the large log."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    with _served(place, kind) as pair:
        figures = []
        for name, question in QUESTIONS.items():
            say(f"  {kind}, {name}")
            figures += _asked(place, kind, pair, name, question)
        say(f"  {kind}, ingest")
        return [*figures, _ingest(place, kind, pair)]


@contextmanager
def _served(place: Place, kind: str) -> Iterator[Pair]:
    small, large = filled(place, kind, place.scale.small), filled(place, kind, place.scale.large)
    name, ids = first_sessions(place, kind), Ids(SERVICE_SECRET.encode())
    count = place.scale.small // len(STEPS)
    names = (session_id(name, number) for number in random.Random(1).choices(range(count), k=place.scale.asked))
    with ExitStack() as up:
        yield Pair(
            up.enter_context(hookfold(small.folder, small.url, BY_DEFAULT)),
            up.enter_context(hookfold(large.folder, large.url, BY_DEFAULT)),
            [ids.of("session", SOURCE, session) for session in names],
        )


def _asked(place: Place, kind: str, pair: Pair, name: str, question: Question) -> list[Figure]:
    """One connection, question after question, each of both in turn."""
    with Asking(pair.small.port) as small, Asking(pair.large.port) as large:
        for session in pair.sessions[:20]:
            small.timed(question(session))
            large.timed(question(session))
        blocks = [
            [(small.timed(question(session)), large.timed(question(session))) for session in pair.sessions]
            for _ in range(place.scale.rounds)
        ]
    return [_figure(place, kind, name, blocks, share) for share in (50, 99)]


def _figure(place: Place, kind: str, name: str, blocks: list[list[tuple[float, float]]], share: int) -> Figure:
    small, large = (
        [percentile([pair[place] for pair in block], share / 100) * 1e3 for block in blocks] for place in (0, 1)
    )
    return rate(
        f"query {kind}, {name}, p{share} of {place.scale.large:,} events",
        large,
        unit="ms",
        reference=f"{place.scale.small:,} events",
        reference_value=median(small),
        ratio=ratios(large, small),
        wanted=AT_MOST.get(name, {}).get(share),
        less=True,
        settings={"database": kind, "events": place.scale.large, "questions": len(blocks) * len(blocks[0])},
    )


def _ingest(place: Place, kind: str, pair: Pair) -> Figure:
    senders = {"small": Sender("qs", pair.small), "large": Sender("ql", pair.large)}
    for sender in senders.values():
        sender.closed(CONNECTIONS, place.scale.seconds / 2)
    slices = {name: partial(one.closed, CONNECTIONS, place.scale.seconds) for name, one in senders.items()}
    taken = interleaved(place.scale.rounds, slices)
    rates = {name: [result.rate for result in results] for name, results in taken.items()}
    if any(sender.refused for sender in senders.values()):
        raise AssertionError(f"deliveries were refused: {senders}")
    return rate(
        f"query {kind}, ingest with {place.scale.large:,} events",
        rates["large"],
        unit="requests/s",
        reference=f"{place.scale.small:,} events",
        reference_value=median(rates["small"]),
        ratio=ratios(rates["large"], rates["small"]),
        wanted=INGEST_AT_LEAST,
        settings={"database": kind, "events": place.scale.large, "connections": CONNECTIONS},
    )


if __name__ == "__main__":
    main({"query": query})
