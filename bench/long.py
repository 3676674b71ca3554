"""A stream with very many events: what a late event costs its sender, and what all others wait meanwhile."""

import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from threading import Thread

from bench.command import Place, main
from bench.load import Result, closed_loop
from bench.measure import interleaved, percentile, ratios, say
from bench.own import Own
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import BY_DEFAULT, Server, hookfold
from bench.traffic import STEPS, Message

ANSWER_WITHIN = 50.0
"""Milliseconds for the late event's own answer."""

OTHERS_AT_MOST = 1.5
CONNECTIONS, RATE = 4, 200
SLICES = 3
"""A slice is so much longer than others': a fold beside has its time in it."""

_BATCH = 4_096
_RELOADED_EVERY = 60
"""Seconds of the provider's clock between two visits: the page is loaded again and again under one session's id."""


def long(place: Place) -> list[Figure]:
    """Every database, each with one long session in it."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    with _served(place, kind) as (server, late):
        say(f"  {kind}, late events")
        others, own = Sender("others", server), Result()
        seconds = SLICES * place.scale.seconds
        others.open(CONNECTIONS, RATE, place.scale.seconds)
        slices = {
            "without": partial(others.open, CONNECTIONS, RATE, seconds),
            "with": partial(_with_a_late_event, server, late, own, partial(others.open, CONNECTIONS, RATE, seconds)),
        }
        taken = interleaved(place.scale.rounds, slices)
    if others.refused or set(own.statuses) != {200}:
        raise AssertionError(f"{others.refused} deliveries were refused, late ones were answered {own.statuses}")
    return [_answer(place, kind, own), _others(place, kind, taken)]


def _with_a_late_event(server: Server, late: Iterator[Message], own: Result, others: partial[Result]) -> Result:
    """A slice of the others' traffic, at whose beginning a late event is sent."""

    def send() -> None:
        result = closed_loop(server.port, deque([next(late).request]), 1, 60)
        own.latencies += result.latencies
        own.statuses += result.statuses

    thread = Thread(target=send)
    thread.start()
    result = others()
    thread.join()
    return result


def _answer(place: Place, kind: str, own: Result) -> Figure:
    return rate(
        f"long {kind}, late event at the far end of {place.scale.long:,}, its answer",
        [latency * 1e3 for latency in own.latencies],
        unit="ms",
        wanted=ANSWER_WITHIN,
        less=True,
        settings={"database": kind, "events": place.scale.long},
    )


def _others(place: Place, kind: str, taken: dict[str, list[Result]]) -> Figure:
    p99 = {name: [result.percentile(0.99) for result in results] for name, results in taken.items()}
    return rate(
        f"long {kind}, other streams' deliveries while {place.scale.long:,} are folded anew, p99",
        p99["with"],
        unit="ms",
        p50=percentile([latency for result in taken["with"] for latency in result.latencies], 0.5) * 1e3,
        reference="without",
        reference_value=median(p99["without"]),
        ratio=ratios(p99["with"], p99["without"]),
        wanted=OTHERS_AT_MOST,
        less=True,
        settings={"database": kind, "events": place.scale.long, "rate": RATE},
    )


@contextmanager
def _served(place: Place, kind: str) -> Iterator[tuple[Server, Iterator[Message]]]:
    """A service whose log has one long session, and events that belong at its far end."""
    folder = place.folder / f"long-{kind}"
    folder.mkdir()
    with place.database(kind, f"long-{kind}-log") as url:
        own, began = Own(folder, url), 1_600_000_000
        visits = itertools.islice(_visits(began), place.scale.long)
        while chunk := list(itertools.islice(visits, _BATCH)):
            own.append_all(chunk)
        own.close()
        with hookfold(folder, url, BY_DEFAULT) as server:
            yield server, (_message(began - 60 * number, 0, "{}") for number in itertools.count(1))


def _visits(began: int) -> Iterator[Message]:
    for number in itertools.count():
        payload = f'{{"measurementId":"m-{number}"}}'
        for sequence in range(len(STEPS)):
            yield _message(began + _RELOADED_EVERY * number + sequence, sequence, payload)


def _message(at: int, sequence: int, payload: str) -> Message:
    told = f'"sequence":{sequence},"event":"{STEPS[sequence]}","severity":"INFO","payload":{payload}'
    return Message("kiosk", sequence, f'{{"timestamp":{at},"sessionId":"kiosk",{told}}}'.encode())


if __name__ == "__main__":
    main({"long": long})
