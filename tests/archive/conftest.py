"""Two logs of one secret: one to export from, one to import into, each on either database."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.postgres import Postgres
from tests.support.travel import Place

Make = Callable[[str], Place]
Journey = tuple[Place, Place]


@pytest.fixture
def place(postgres: Postgres, postgresql_template: str, sqlite_template: Path, tmp_path: Path) -> Iterator[Make]:
    """Makes a log in a fresh database of a kind."""
    with ExitStack() as stack:

        def make(kind: str) -> Place:
            if kind == "postgresql":
                url = stack.enter_context(postgres.database(template=postgresql_template))
            else:
                number = len(list(tmp_path.glob("*.db")))
                url = URL.create("sqlite", database=str(tmp_path / f"{number}.db")).render_as_string()
                shutil.copyfile(sqlite_template, tmp_path / f"{number}.db")
            made = Place(url)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(params=["sqlite to postgresql", "postgresql to sqlite"])
def journey(request: pytest.FixtureRequest, place: Make) -> Journey:
    """A log with traffic in it, and an empty one on the other database."""
    return _journey(request.param, place)


@pytest.fixture(params=["sqlite to sqlite", "postgresql to postgresql"])
def short_journey(request: pytest.FixtureRequest, place: Make) -> Journey:
    """A log with traffic in it, and an empty one on the same database."""
    return _journey(request.param, place)


def _journey(route: str, place: Make) -> Journey:
    there, here = (place(kind) for kind in route.split(" to "))
    there.busy()
    return there, here


@pytest.fixture(params=["sqlite", "postgresql"])
def busy(request: pytest.FixtureRequest, place: Make) -> Place:
    """A log with traffic in it."""
    made = place(request.param)
    made.busy()
    return made
