"""A stream with very many events: what one more costs, a late one, and what is told of it; and what all others wait."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from threading import Thread
from time import perf_counter

from bench.asking import Asking
from bench.command import Place, main
from bench.load import Result, closed_loop
from bench.measure import interleaved, percentile, ratios, say
from bench.own import Own
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import BY_DEFAULT, SERVICE_SECRET, Server, hookfold
from bench.traffic import SOURCE, STEPS, Message
from core.ids import Ids

APPEND_AT_MOST = 1.3
PAGE_AT_MOST = 2.0
ANSWER_WITHIN = 50.0
"""Milliseconds for the late event's own answer."""

OTHERS_AT_MOST = 1.5
CONNECTIONS, RATE = 4, 200
PAGES = 3
"""So many times a round each page is asked for."""

SLICES = 3
"""A slice is so much longer than others': a fold beside has its time in it."""

SHORT = 100
"""Events of the stream that the long ones are held against."""

VISIT = 10
"""Events of one visit: the page is loaded again and again under one session's id."""

_BATCH = 4_096
_IDS = Ids(SERVICE_SECRET.encode())
_BEGAN, _EVERY = 1_600_000_000, 60
_PAGES = {
    "first page of the timeline": "/v1/sessions/{}/timeline?limit=20",
    "why": "/v1/sessions/{}/why",
    "the session": "/v1/sessions/{}",
    "first page of the events": "/v1/sessions/{}/events?limit=20",
    "first page of the runs": "/v1/sessions/{}/runs?limit=20",
}
_LAST = "/v1/measurements/{}/timeline?limit=20"
"""The end of a timeline: what its last measurement did."""


@dataclass
class Visits:
    """A session whose page is loaded again and again; `kinds` are the events of each time, which may be `measured`."""

    session: str
    kinds: tuple[str, ...]
    measured: bool = False

    def __post_init__(self) -> None:
        self._messages = self._all()

    def take(self, count: int) -> list[Message]:
        """The next events, in order."""
        return list(itertools.islice(self._messages, count))

    def late(self, number: int) -> Message:
        """One that belongs before all others."""
        return self._message(_BEGAN - _EVERY * (number + 1), 0, "{}")

    @property
    def id(self) -> str:
        """Our id of it."""
        return _IDS.of("session", SOURCE, self.session)

    def measurement(self, number: int) -> str:
        """Our id of the measurement of a visit."""
        return _IDS.measurement(SOURCE, self.session, f"{self.session}-{number}", "")

    def _all(self) -> Iterator[Message]:
        for number in itertools.count():
            payload = f'{{"measurementId":"{self.session}-{number}"}}' if self.measured else '{"visible":"HIDDEN"}'
            for sequence in range(len(self.kinds)):
                yield self._message(_BEGAN + _EVERY * number + sequence, sequence, payload)

    def _message(self, at: int, sequence: int, payload: str) -> Message:
        told = f'"sequence":{sequence},"event":"{self.kinds[sequence]}","severity":"INFO","payload":{payload}'
        return Message(self.session, sequence, f'{{"timestamp":{at},"sessionId":"{self.session}",{told}}}'.encode())


def _streams() -> dict[str, Visits]:
    """A long one in which nothing is measured, one in which every visit is, and a short one of each."""
    looked = (STEPS[0], *["PAGE_VISIBILITY_CHANGE"] * (VISIT - 2), STEPS[-1])
    measured = (*STEPS[: VISIT - 3], *STEPS[-3:])
    return {
        "runs": Visits("lobby", looked),
        "runs and measurements": Visits("kiosk", measured, measured=True),
        "short": Visits("short", looked),
        "short, measured": Visits("short kiosk", measured, measured=True),
    }


_SHORT = {"runs": "short", "runs and measurements": "short, measured"}
"""What each long one is held against."""


def long(place: Place) -> list[Figure]:
    """Every database, each with long sessions in it."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    folder = place.folder / f"long-{kind}"
    folder.mkdir()
    streams = _streams()
    with place.database(kind, f"long-{kind}-log") as url:
        own = Own(folder, url)
        for name, visits in streams.items():
            left = place.scale.long if name in _SHORT else SHORT
            while left > 0:
                own.append_all(visits.take(min(left, _BATCH)))
                left -= _BATCH
        say(f"  {kind}, appends")
        figures = _appends(place, kind, own, streams)
        own.close()
        with hookfold(folder, url, BY_DEFAULT) as server:
            say(f"  {kind}, pages")
            figures += _asked(place, kind, server, streams)
            say(f"  {kind}, late events")
            return [*figures, *_late(place, kind, server, streams["runs"])]


def _appends(place: Place, kind: str, own: Own, streams: dict[str, Visits]) -> list[Figure]:
    """One event at a time, each in its order, to each stream in turn."""

    def appended(visits: Visits) -> float:
        times = []
        for message in visits.take(place.scale.asked // place.scale.rounds):
            _ = message.headers  # signing is the sender's work
            began = perf_counter()
            own.append(message)
            times.append(perf_counter() - began)
        return median(times) * 1e3

    taken = interleaved(place.scale.rounds, {name: partial(appended, visits) for name, visits in streams.items()})
    return [
        rate(
            f"long {kind}, append to {place.scale.long:,} events with {place.scale.long // VISIT:,} {name}",
            taken[name],
            unit="ms",
            reference=f"to {SHORT} events",
            reference_value=median(taken[short]),
            ratio=ratios(taken[name], taken[short]),
            wanted=APPEND_AT_MOST,
            less=True,
            settings={"database": kind, "events": place.scale.long},
        )
        for name, short in _SHORT.items()
    ]


def _asked(place: Place, kind: str, server: Server, streams: dict[str, Visits]) -> list[Figure]:
    """What is told of the long streams and of the short ones, in turn."""
    long, short = streams["runs"], streams["short"]
    asked = {name: (path.format(long.id), path.format(short.id)) for name, path in _PAGES.items()}
    long, short = streams["runs and measurements"], streams["short, measured"]
    asked["why, with measurements"] = (_PAGES["why"].format(long.id), _PAGES["why"].format(short.id))
    last = [one.measurement(events // VISIT - 1) for one, events in ((long, place.scale.long), (short, SHORT))]
    asked["timeline of the last measurement"] = (_LAST.format(last[0]), _LAST.format(last[1]))
    with Asking(server.port) as asking:
        return [_compared(place, kind, asking, name, *paths) for name, paths in asked.items()]


def _compared(place: Place, kind: str, asking: Asking, name: str, long: str, short: str) -> Figure:
    contenders = {path: partial(asking.timed, path) for path in (long, short)}
    for path in contenders:
        asking.timed(path)
    taken = interleaved(PAGES * place.scale.rounds, contenders)
    long_ms, short_ms = ([seconds * 1e3 for seconds in taken[path]] for path in (long, short))
    return rate(
        f"long {kind}, {name} of {place.scale.long:,} events",
        long_ms,
        unit="ms",
        reference=f"of {SHORT} events",
        reference_value=median(short_ms),
        ratio=ratios(long_ms, short_ms),
        wanted=PAGE_AT_MOST,
        less=True,
        settings={"database": kind, "events": place.scale.long},
    )


def _late(place: Place, kind: str, server: Server, stream: Visits) -> list[Figure]:
    """What a late event's sender waits, and others meanwhile."""
    late = map(stream.late, itertools.count())
    others, own = Sender("others", server), Result()
    seconds = SLICES * place.scale.seconds
    others.open(CONNECTIONS, RATE, place.scale.seconds)
    slices = {
        "without": partial(others.open, CONNECTIONS, RATE, seconds),
        "with": partial(_with_a_late_event, late, own, others, seconds),
    }
    taken = interleaved(place.scale.rounds, slices)
    if others.refused or set(own.statuses) != {200}:
        raise AssertionError(f"{others.refused} deliveries were refused, late ones were answered {own.statuses}")
    return [_answer(place, kind, own, taken["with"]), _others(place, kind, taken)]


def _with_a_late_event(late: Iterator[Message], own: Result, others: Sender, seconds: float) -> Result:
    """A slice of the others' traffic, at whose beginning a late event is sent."""

    def send() -> None:
        result = closed_loop(others.server.port, deque([next(late).request]), 1, 60)
        own.latencies += result.latencies
        own.statuses += result.statuses

    beside = others.opening(CONNECTIONS, RATE, seconds)
    thread = Thread(target=send)
    thread.start()
    result = beside()
    thread.join()
    return result


def _answer(place: Place, kind: str, own: Result, others: list[Result]) -> Figure:
    """Beside it stands what any delivery took meanwhile: on a busy machine that alone may be more than is wanted."""
    return rate(
        f"long {kind}, late event at the far end of {place.scale.long:,}, its answer",
        [latency * 1e3 for latency in own.latencies],
        unit="ms",
        reference="p50 of others",
        reference_value=_p50(others),
        wanted=ANSWER_WITHIN,
        less=True,
        settings={"database": kind, "events": place.scale.long},
    )


def _p50(results: list[Result]) -> float:
    return percentile([latency for result in results for latency in result.latencies], 0.5) * 1e3


def _others(place: Place, kind: str, taken: dict[str, list[Result]]) -> Figure:
    p99 = {name: [result.percentile(0.99) for result in results] for name, results in taken.items()}
    return rate(
        f"long {kind}, other streams' deliveries while {place.scale.long:,} are folded anew, p99",
        p99["with"],
        unit="ms",
        p50=_p50(taken["with"]),
        reference="without",
        reference_value=median(p99["without"]),
        ratio=ratios(p99["with"], p99["without"]),
        wanted=OTHERS_AT_MOST,
        less=True,
        settings={"database": kind, "events": place.scale.long, "rate": RATE},
    )


if __name__ == "__main__":
    main({"long": long})
