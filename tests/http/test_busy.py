"""Every thread that answers questions is held up: whether the process lives is told all the same."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from adapters.sql import open_engine
from tests.support.service import running
from wiring.components import THREADS

HELD_UP = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass"


@contextmanager
def locked(engine: Engine) -> Iterator[None]:
    """Nobody reads an event meanwhile."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        yield


def await_held_up(engine: Engine) -> None:
    deadline = time.monotonic() + 20
    with engine.connect() as connection:
        while connection.scalar(text(HELD_UP)) < THREADS:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_the_process_answers_while_every_question_waits_for_the_database(postgresql_url: str, tmp_path: Path):
    engine = open_engine(postgresql_url)
    with (
        running(postgresql_url, tmp_path / "service") as service,
        ThreadPoolExecutor(2 * THREADS) as pool,
        locked(engine),
    ):
        asked = [pool.submit(service.send, "GET", "/v1/events") for _ in range(2 * THREADS)]
        await_held_up(engine)

        answer = service.send("GET", "/healthz")

        assert (answer.status, answer.json) == (200, {"status": "ok"})
        assert not any(question.done() for question in asked)
    engine.dispose()
