"""Signed webhooks over HTTP, each answered after its commit, against an endpoint that does nothing and one by hand."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from typing import Any

from bench.command import Place, main
from bench.load import Result
from bench.measure import best, interleaved, percentile, ratios, say
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import BY_DEFAULT, hookfold, peer, raw
from bench.traffic import SECRET
from bench.verify import verify

OF_NOTHING = {"sqlite": 0.6, "postgresql": 0.5}
OF_HANDWRITTEN = {"sqlite": 10.0, "postgresql": 5.0}
WANTED_P99 = 25.0
"""Milliseconds at half of the peak rate."""
HEADROOM = 2.0
"""The client alone has to be so much faster than what it measures."""

Taken = Mapping[str, Sequence[Result]]


def ingest(place: Place) -> list[Figure]:
    """Every database with all servers up at once, measured in turn."""
    return [figure for database in place.databases for figure in _of_database(place, database)]


def _of_database(place: Place, database: str) -> list[Figure]:
    scale, figures = place.scale, []
    with _contenders(place, database) as senders:
        for sender in senders.values():
            sender.closed(8, scale.seconds / 2)  # the first requests pay for imports and caches
        for connections in scale.connections:
            say(f"  {database}, {connections} connections")
            slices = {name: partial(one.closed, connections, scale.seconds) for name, one in senders.items()}
            taken = interleaved(scale.rounds, slices)
            figures += _figures(database, connections, taken)
        rates = _rates(taken)
        pair = (_default(senders), best(rates, "nothing"))
        figures.append(_latency(place, database, {name: senders[name] for name in pair}, median(rates[pair[0]]) / 2))
        figures += [_verified(database, name, one) for name, one in senders.items() if name.startswith("hookfold")]
    return figures


@contextmanager
def _contenders(place: Place, database: str) -> Iterator[dict[str, Sender]]:
    """Every server, by name and number of processes. Idle ones cost nothing while another one is measured."""
    with ExitStack() as up:
        senders: dict[str, Sender] = {}
        folder = place.folder / f"ingest-{database}"
        for workers in place.scale.workers:
            url = up.enter_context(place.database(database, f"ingest-{database}-{workers}"))
            servers = {"hookfold": up.enter_context(hookfold(folder / f"hookfold-{workers}", url, workers))}
            url = up.enter_context(place.database(database, f"handwritten-{database}-{workers}"))
            by_hand = {"WMS_MAC_SECRET": SECRET, "HANDWRITTEN_URL": url}
            servers["handwritten"] = up.enter_context(peer("handwritten", folder, workers, by_hand))
            servers["nothing"] = up.enter_context(peer("nothing", folder, workers))
            senders |= {f"{name} {workers}": Sender(f"{name[0]}{workers}", one) for name, one in servers.items()}
        senders["raw 1"] = Sender("r", up.enter_context(raw(folder)))
        yield senders


def _default(names: Mapping[str, object]) -> str:
    default = f"hookfold {BY_DEFAULT}"
    return default if default in names else next(name for name in names if name.startswith("hookfold"))


def _rates(taken: Taken) -> dict[str, list[float]]:
    return {name: [result.rate for result in results] for name, results in taken.items()}


def _figures(database: str, connections: int, taken: Taken) -> list[Figure]:
    rates = _rates(taken)
    nothing, by_hand, client = best(rates, "nothing"), best(rates, "handwritten"), "raw 1"
    figures = []
    for name in (name for name in rates if name.startswith("hookfold")):
        counts = connections > 1 and name == _default(rates)
        bound = _bound(median(rates[client]), max(median(rates[nothing]), median(rates[name])))
        common = {"unit": "requests/s", **_times(taken[name])}
        title = f"ingest {database}, {connections} conn., {name.partition(' ')[2]} proc."
        common |= {"settings": {"database": database, "connections": connections, "processes": name.partition(" ")[2]}}
        figures += [
            _against(title, rates, (name, nothing), OF_NOTHING[database] if counts else None, note=bound, **common),
            _against(title, rates, (name, by_hand), OF_HANDWRITTEN[database] if counts else None, **common),
        ]
    title = f"ingest {database}, {connections} conn., the client alone"
    return [*figures, _against(title, rates, (client, nothing), HEADROOM)]


def _against(
    title: str, rates: Mapping[str, Sequence[float]], pair: tuple[str, str], wanted: float | None, **more: Any
) -> Figure:
    name, other = pair
    more.setdefault("unit", "requests/s")
    return rate(
        title,
        rates[name],
        reference=f"{other} proc.",
        reference_value=median(rates[other]),
        ratio=ratios(rates[name], rates[other]),
        wanted=wanted,
        **more,
    )


def _bound(client: float, measured: float) -> str:
    if client >= HEADROOM * measured:
        return ""
    return f"bound by the client, whose own ceiling is {client / measured:.1f} times the faster of the two"


def _times(results: Sequence[Result]) -> dict[str, float]:
    return {
        "p50": median(result.percentile(0.5) for result in results),
        "p99": median(result.percentile(0.99) for result in results),
    }


def _latency(place: Place, database: str, pair: Mapping[str, Sender], half: float) -> Figure:
    """Open loop at half of the peak: each latency counts from the time when the request was due."""
    scale, (name, nothing) = place.scale, pair
    say(f"  {database}, open loop at {half:.0f} requests/s")
    slices = {one: partial(sender.open, 64, half, 2 * scale.seconds) for one, sender in pair.items()}
    taken = interleaved(scale.rounds, slices)
    p99, other = ([result.percentile(0.99) for result in taken[one]] for one in (name, nothing))
    every = [latency * 1e3 for result in taken[name] for latency in result.latencies]
    return rate(
        f"ingest {database}, p99 at half of the peak",
        p99,
        unit="ms",
        p50=percentile(every, 0.5),
        p99=percentile(every, 0.99),
        wanted=WANTED_P99,
        less=True,
        note=f"at {half:.0f} requests/s; {nothing} at the same rate: p99 {median(other):.2f} ms",
        settings={"database": database, "connections": 64, "rate": round(half), "loop": "open"},
    )


def _verified(database: str, name: str, sender: Sender) -> Figure:
    """Raises AssertionError where an acknowledged event is lost, is there twice, or was folded wrongly."""
    say(f"  {database}, looking up what {name} acknowledged")
    found = verify(sender)
    return Figure(
        name=f"ingest {database}, {name.partition(' ')[2]} proc., looked up",
        value=len(sender.sent),
        unit="events",
        note=found,
        settings={"database": database, "processes": name.partition(" ")[2]},
    )


if __name__ == "__main__":
    main({"ingest": ingest})
