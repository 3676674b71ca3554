"""Several services on one PostgreSQL, the same load spread over them: over one log, and with a log each."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from statistics import median

import psycopg

from adapters.sql import opened_engine
from bench.command import Place, main
from bench.load import Result
from bench.measure import interleaved, ratios, say
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import hookfold
from bench.traffic import SOURCE

TOGETHER = (1, 2, 4)
CONNECTIONS = 32
"""Of all together."""
_COUNT = f"SELECT count(*), max(position) - min(position) + 1 FROM events WHERE source = '{SOURCE}'"


def services(place: Place) -> list[Figure]:
    """All are up at once; those that are sent nothing cost next to nothing."""
    with ExitStack() as up:
        url = up.enter_context(place.database("postgresql", "services"))
        other_url = _schema(url, "other")
        folder, seconds = place.folder / "services", place.scale.seconds
        served = [up.enter_context(hookfold(folder / f"{at}", url, 1)) for at in range(max(TOGETHER))]
        senders = [Sender(f"s{at}", one) for at, one in enumerate(served)]
        other = Sender("o", up.enter_context(hookfold(folder / "other", other_url, 1)))
        _send([*senders, other], 0.2)  # the first requests pay for imports and caches
        slices = {f"services {count} over one log": partial(_send, senders[:count], seconds) for count in TOGETHER}
        slices["services 2 with a log each"] = partial(_send, [senders[0], other], seconds)
        taken = interleaved(place.scale.rounds, slices)
        logs = {"one log": (url, senders), "the other log": (other_url, [other])}
        return [*_figures(taken), *(_looked_up(f"services, {log}, looked up", *of) for log, of in logs.items())]


def _schema(url: str, name: str) -> str:
    """The URL of a schema that is made in the database."""
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{url}&options=-csearch_path%3D{name}"


def _send(senders: list[Sender], seconds: float) -> float:
    """Answers a second, of all together."""
    each = CONNECTIONS // len(senders)
    with ThreadPoolExecutor(len(senders)) as pool:
        results: list[Result] = list(pool.map(lambda sender: sender.closed(each, seconds), senders))
    return float(sum(result.rate for result in results))


def _figures(taken: dict[str, list[float]]) -> list[Figure]:
    alone = next(iter(taken.values()))
    return [
        rate(
            f"{name}, together",
            rates,
            unit="requests/s",
            reference="1 service",
            reference_value=median(alone),
            ratio=ratios(rates, alone),
            settings={"database": "postgresql", "connections": CONNECTIONS, "services": int(name.split()[1])},
        )
        for name, rates in taken.items()
    ]


def _looked_up(name: str, url: str, senders: list[Sender]) -> Figure:
    """Raises AssertionError where an acknowledged event is lost or is there twice, or a position is left out."""
    say("  looking up what they acknowledged")
    sent, refused = sum(len(sender.sent) for sender in senders), sum(sender.refused for sender in senders)
    with opened_engine(url, make=False) as engine, engine.connect() as connection:
        count, span = connection.exec_driver_sql(_COUNT).one()
    if (refused, count, span) != (0, sent, sent):
        raise AssertionError(f"{sent} were sent, {refused} refused, {count} are there at {span} positions")
    note = f"{count} events exactly once, at positions without a gap"
    return Figure(name=name, value=count, unit="events", note=note, settings={"services": len(senders)})


if __name__ == "__main__":
    main({"services": services})
