"""The append in foul weather: forged deliveries among the others, and more live streams than a writer remembers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median

from bench.append import LoopCallers
from bench.command import Place, main
from bench.measure import interleaved, ratios, say
from bench.own import Written
from bench.results import Figure, rate
from bench.traffic import Message, Traffic

CALLERS = 16
FORGED_EVERY = 100
"""One delivery in a hundred carries another one's signature."""

PLAIN, FORGED, MANY = "plain", "1 % forged", "many live streams"
WANTED = 0.9


class Forging(LoopCallers):
    """Now and then, somebody sends what nobody signed."""

    async def _hand_in(self, message: Message) -> None:
        if len(self.appended) % FORGED_EVERY == 0:
            await self.written.hand_in_forged(message)
        await self.written.hand_in(message)


def conditions(place: Place) -> list[Figure]:
    """Every database with the three stores open at once, measured in turn."""
    return [figure for database in place.databases for figure in _of_database(place, database)]


def _of_database(place: Place, database: str) -> list[Figure]:
    scale = place.scale
    with _stores(place, database) as stores:
        for one in stores.values():
            one.slice(CALLERS, scale.seconds / 4)
        say(f"  {database}, {CALLERS} callers")
        rates = interleaved(
            scale.rounds, {name: partial(one.slice, CALLERS, scale.seconds) for name, one in stores.items()}
        )
        for one in stores.values():
            one.verify()
    return [_figure(database, name, rates[name], rates[PLAIN], scale.live) for name in (FORGED, MANY)]


def _figure(database: str, name: str, rates: list[float], plain: list[float], live: int) -> Figure:
    return rate(
        f"append {database}, {f'{live:,} live streams' if name == MANY else name}",
        rates,
        unit="events/s",
        reference=PLAIN,
        reference_value=median(plain),
        ratio=ratios(rates, plain),
        wanted=WANTED,
        settings={"database": database, "callers": CALLERS},
    )


@contextmanager
def _stores(place: Place, database: str) -> Iterator[dict[str, LoopCallers]]:
    with ExitStack() as opened:
        written = []
        for name in "pfm":
            url = opened.enter_context(place.database(database, f"conditions-{database}-{name}"))
            store = Written(place.folder / f"conditions-{database}-{name}", url)
            opened.callback(store.close)
            written.append(store)
        plain, forged, many = written
        live = LoopCallers(Traffic("m", place.scale.live, in_step=True), many)
        say(f"  {database}: {place.scale.live:,} streams are begun")
        live.begin(place.scale.live)
        yield {PLAIN: LoopCallers(Traffic("p"), plain), FORGED: Forging(Traffic("f"), forged), MANY: live}


if __name__ == "__main__":
    main({"conditions": conditions})
