"""In front of a handler: what that adds to its own answer, and what slow handlers cost those who have none."""

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from statistics import median
from time import sleep

from bench.command import Place, main
from bench.load import Connections, Result, open_loop
from bench.measure import interleaved, percentile, ratios, say
from bench.results import Figure, rate
from bench.servers import Server, handler, hookfold
from bench.traffic import PATH, Traffic

RATE = 100
"""Requests a second."""
CONNECTIONS = 16
SLICE = 4
"""Slices are so many times as long as others: at this rate little comes in a short one."""
SLOW = 200
"""Webhooks that are with a slow handler at a time."""
HANGS = 4.0
"""Seconds that it takes: a third of them for all to be with it, then a slice."""
ADDED_P50, ADDED_P99 = 4.0, 10.0
"""Milliseconds that may be added."""
SLOWED = 1.25

_SOURCES = """
[sources.{name}]
provider = "wms"
secrets = ["file:var/clinic.secret"]
"""
_PROXIED = """mode = "proxy"
forward_to = "http://127.0.0.1:{port}"
"""


def forward(place: Place) -> list[Figure]:
    """Direct and through Hookfold in turn; then a recorded source with and without slow handlers beside it."""
    return [figure for kind in place.databases for figure in _of(place, kind)]


def _of(place: Place, kind: str) -> list[Figure]:
    folder, seconds = place.folder / f"forward-{kind}", place.scale.seconds * SLICE
    with ExitStack() as up:
        url = up.enter_context(place.database(kind, f"forward-{kind}-log"))
        quick, slow = (up.enter_context(handler(folder, hangs)) for hangs in (0, HANGS))
        server = up.enter_context(hookfold(folder, url, 1, more=_sources(quick, slow)))
        load = Load(kind)
        for port, source in ((quick.port, "proxied"), (server.port, "proxied"), (server.port, "recorded")):
            load.send(port, source, 0.2)  # the first requests pay for imports and caches
        direct, through = (
            partial(load.send, quick.port, "proxied", seconds),
            partial(load.send, server.port, "proxied", seconds),
        )
        taken = interleaved(place.scale.rounds, {"direct": direct, "through": through})
        say(f"  {kind}: {SLOW} slow handlers beside a recorded source")
        beside = interleaved(
            place.scale.rounds,
            {
                "alone": partial(load.send, server.port, "recorded", place.scale.seconds),
                "beside": partial(load.send_beside, server.port, place.scale.seconds),
            },
        )
    return [*_added(kind, taken), _slowed(kind, beside)]


def _sources(quick: Server, slow: Server) -> str:
    return "".join(
        _SOURCES.format(name=name) + (_PROXIED.format(port=behind.port) if behind else "")
        for name, behind in (("proxied", quick), ("slow", slow), ("recorded", None))
    )


class Load:
    """One stream of traffic, dealt out to sources. Raises AssertionError where an answer is no 200."""

    def __init__(self, name: str) -> None:
        self._messages = iter(Traffic(name))

    def send(self, port: int, source: str, seconds: float) -> Result:
        result = open_loop(port, deque(self._requests(source, int(RATE * seconds))), CONNECTIONS, RATE, seconds)
        if set(result.statuses) != {200}:
            raise AssertionError(f"{source} was answered with {result.statuses}")
        return result

    def send_beside(self, port: int, seconds: float) -> Result:
        """To the recorded source while a slow handler has many."""
        with self._under_way(port):
            return self.send(port, "recorded", seconds)

    @contextmanager
    def _under_way(self, port: int) -> Iterator[None]:
        held, told = Connections(port, SLOW), Result()
        for number, request in zip(held.by_number, self._requests("slow", SLOW), strict=True):
            held.send(number, request, 0)
        sleep(HANGS / 3)
        yield
        for number in held.by_number:
            held.receive(number, told)
        held.close()
        if set(told.statuses) != {200}:
            raise AssertionError(f"slow was answered with {told.statuses}")

    def _requests(self, source: str, count: int) -> list[bytes]:
        path = f"/in/{source} ".encode()
        return [one.request.replace(f"{PATH} ".encode(), path, 1) for one in islice(self._messages, count)]


def _added(kind: str, taken: dict[str, list[Result]]) -> list[Figure]:
    """Percentiles over all rounds: a round has too few for its own."""
    all_of = {name: [one for result in results for one in result.latencies] for name, results in taken.items()}
    figures = []
    for share, wanted in ((0.5, ADDED_P50), (0.99, ADDED_P99)):
        direct, through = (percentile(all_of[name], share) * 1e3 for name in ("direct", "through"))
        each = [
            b.percentile(share) - a.percentile(share) for a, b in zip(taken["direct"], taken["through"], strict=True)
        ]
        figures.append(
            Figure(
                name=f"forward {kind}, added to the handler, p{share * 100:.0f}",
                value=through - direct,
                low=min(each),
                high=max(each),
                unit="ms",
                reference="the handler",
                reference_value=direct,
                wanted=wanted,
                less=True,
                note=f"of {len(all_of['through'])} requests each, {RATE} a second, in turn",
                settings={"database": kind, "rate": RATE},
            )
        )
    return figures


def _slowed(kind: str, taken: dict[str, list[Result]]) -> Figure:
    alone, beside = ([one.percentile(0.99) for one in taken[name]] for name in ("alone", "beside"))
    return rate(
        f"forward {kind}, a recorded source beside {SLOW} slow handlers, p99",
        beside,
        unit="ms",
        reference="without them",
        reference_value=median(alone),
        ratio=ratios(beside, alone),
        wanted=SLOWED,
        less=True,
        settings={"database": kind, "rate": RATE, "slow": SLOW},
    )


if __name__ == "__main__":
    main({"forward": forward})
