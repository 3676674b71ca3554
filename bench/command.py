"""What every benchmark is given, and how one is run from the command line."""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from bench.measure import say
from bench.page import RESULTS
from bench.page import write as write_page
from bench.postgres import Durable
from bench.results import Figure, table, write
from bench.scale import FULL, LARGE, QUICK, Scale
from bench.surroundings import surroundings
from tests.support.run import Run

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with `events` in it. `raw` is the number of bytes of their bodies and headers."""

    url: str
    folder: Path
    events: int
    raw: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark works: a folder of its own, a durable PostgreSQL, and how much it shall measure.

    `filled` keeps, for the benchmarks that come later, the databases by kind and number of events.
    """

    folder: Path
    postgres: Durable
    scale: Scale
    databases: Sequence[str] = DATABASES
    filled: dict[tuple[str, int], "Filled"] = field(default_factory=dict)

    @contextmanager
    def database(self, kind: str, name: str) -> Iterator[str]:
        """The URL of an empty database; `name` is for its file."""
        if kind == "sqlite":
            (self.folder / name).mkdir(parents=True)
            yield URL.create("sqlite", database=str(self.folder / name / "log.db")).render_as_string()
        else:
            with self.postgres.database() as url:
                yield url


Benchmark = Callable[[Place], list[Figure]]


def main(benchmarks: Mapping[str, Benchmark], arguments: Sequence[str] | None = None) -> None:
    """Runs benchmarks, prints a table of each, and keeps the figures of a full run in `results.json`."""
    given = _parser(benchmarks).parse_args(arguments)
    scale = QUICK if given.quick else LARGE if given.large else FULL
    wanted = {name: benchmarks[name] for name in given.names or benchmarks}
    output = given.output or (None if given.quick or given.database else RESULTS)
    with (
        Run(),
        tempfile.TemporaryDirectory(prefix="hookfold-bench-", dir=given.folder) as folder,
        Durable() as postgres,
    ):
        place = Place(Path(folder), postgres, scale, [given.database] if given.database else DATABASES)
        around = surroundings(postgres)
        print("\n".join(f"{name:<12}{value}" for name, value in around.items()), flush=True)
        for name, benchmark in wanted.items():
            say(f"{name} ...")
            figures = benchmark(place)
            print(table(name, figures), flush=True)
            if output:
                write(output, around, figures)
    if output == RESULTS:
        write_page()


def _parser(benchmarks: Mapping[str, Benchmark]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measures, and holds each figure against a reference of the same run.")
    if len(benchmarks) > 1:
        parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones [all]: {', '.join(benchmarks)}")
    else:
        parser.set_defaults(names=[])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="seconds instead of minutes; the figures are rough")
    size.add_argument("--large", action="store_true", help="query: up to 10^7 events")
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    parser.add_argument("--folder", help="where databases are put (the disk decides) [the system's temporary folder]")
    parser.add_argument("--output", type=Path, help="JSON file for the figures [bench/results.json for full runs]")
    return parser
