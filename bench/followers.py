"""Many who follow the log of one process while events come in: what they wait, and what the sender pays for them."""

from statistics import median

from bench.asking import Asking
from bench.command import Place, main
from bench.crowd import Told, crowd, result_of
from bench.load import Result
from bench.measure import percentile, ratios, say
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import Server, hookfold

WAIT_AT_MOST = 250.0
"""Milliseconds from the commit to the reader, of 99 in 100."""

SENT_AT_LEAST = 0.8
CONNECTIONS = 16
SLICES = 4
"""A slice is so much longer than others': what is read has to come to an end in it."""


def followers(place: Place) -> list[Figure]:
    """Each database, with followers and without them in turn."""
    return [figure for kind in place.databases for figure in _of_database(place, kind)]


def _of_database(place: Place, kind: str) -> list[Figure]:
    say(f"  {kind}")
    folder, seconds = place.folder / f"followers-{kind}", SLICES * place.scale.seconds
    without: list[Result] = []
    taken: list[tuple[Result, Told]] = []
    with place.database(kind, f"followers-{kind}-log") as url, hookfold(folder, url, 1) as server:
        sender = Sender("followed", server)
        sender.open(CONNECTIONS, place.scale.followed, place.scale.seconds)  # the first requests pay for caches
        for _ in range(place.scale.rounds):
            without.append(sender.open(CONNECTIONS, place.scale.followed, seconds))
            with crowd(server.port, place.scale.followers, _head(server)) as following:
                sent = sender.open(CONNECTIONS, place.scale.followed, seconds)
                taken.append((sent, result_of(following, _head(server))))
    wrong = sum(told.wrong for _, told in taken)
    if wrong or sender.refused:
        raise AssertionError(f"{wrong} followers were told wrongly, {sender.refused} deliveries were refused")
    return _figures(place, kind, without, taken)


def _head(server: Server) -> int:
    with Asking(server.port) as asking:
        return int(asking.get("/readyz")["position"])


def _figures(place: Place, kind: str, without: list[Result], taken: list[tuple[Result, Told]]) -> list[Figure]:
    many, sent = place.scale.followers, place.scale.followed
    settings = {"database": kind, "followers": many, "rate": sent}
    waited = [percentile(told.waited, 0.99) * 1e3 for _, told in taken]
    rates, alone = [result.rate for result, _ in taken], [result.rate for result in without]
    told, back, refused = (sum(getattr(one, name) for _, one in taken) for name in ("events", "back", "refused"))
    return [
        rate(
            f"followers {kind}, {many:,} of one process, {sent} events/s, from the commit to a reader, p99",
            waited,
            unit="ms",
            p50=median(percentile(told.waited, 0.5) for _, told in taken) * 1e3,
            wanted=WAIT_AT_MOST,
            less=True,
            note=f"each was told every event once and in order, {told:,} in all; {back} times one came back, "
            f"{refused} times one was told to come back later",
            settings=settings,
        ),
        rate(
            f"followers {kind}, what is sent to them meanwhile",
            rates,
            unit="events/s",
            p50=median(result.percentile(0.5) for result, _ in taken),
            p99=median(result.percentile(0.99) for result, _ in taken),
            reference="without them",
            reference_value=median(alone),
            ratio=ratios(rates, alone),
            wanted=SENT_AT_LEAST,
            settings=settings,
        ),
    ]


if __name__ == "__main__":
    main({"followers": followers})
