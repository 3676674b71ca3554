"""Several services over one log in PostgreSQL, the same load spread over one, two and four of them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from statistics import median

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
        folder = place.folder / "services"
        served = [up.enter_context(hookfold(folder / f"{at}", url, 1)) for at in range(max(TOGETHER))]
        senders = [Sender(f"s{at}", one) for at, one in enumerate(served)]
        _send(senders, 0.2)  # the first requests pay for imports and caches
        slices = {str(count): partial(_send, senders[:count], place.scale.seconds) for count in TOGETHER}
        taken = interleaved(place.scale.rounds, slices)
        return [*_figures(taken), _looked_up(url, senders)]


def _send(senders: list[Sender], seconds: float) -> float:
    """Answers a second, of all together."""
    each = CONNECTIONS // len(senders)
    with ThreadPoolExecutor(len(senders)) as pool:
        results: list[Result] = list(pool.map(lambda sender: sender.closed(each, seconds), senders))
    return float(sum(result.rate for result in results))


def _figures(taken: dict[str, list[float]]) -> list[Figure]:
    alone = taken["1"]
    return [
        rate(
            f"services {count} on one PostgreSQL, together",
            rates,
            unit="requests/s",
            reference="1 service",
            reference_value=median(alone),
            ratio=ratios(rates, alone),
            settings={"database": "postgresql", "connections": CONNECTIONS, "services": int(count)},
        )
        for count, rates in taken.items()
    ]


def _looked_up(url: str, senders: list[Sender]) -> Figure:
    """Raises AssertionError where an acknowledged event is lost or is there twice, or a position is left out."""
    say("  looking up what they acknowledged")
    sent, refused = sum(len(sender.sent) for sender in senders), sum(sender.refused for sender in senders)
    with opened_engine(url, make=False) as engine, engine.connect() as connection:
        count, span = connection.exec_driver_sql(_COUNT).one()
    if (refused, count, span) != (0, sent, sent):
        raise AssertionError(f"{sent} were sent, {refused} refused, {count} are there at {span} positions")
    note = f"{count} events exactly once, at positions without a gap"
    return Figure(
        name="services, looked up", value=count, unit="events", note=note, settings={"services": len(senders)}
    )


if __name__ == "__main__":
    main({"services": services})
