"""What `make fuzz` sends is the same again for the same seed, and what was found once comes first."""

import random
from itertools import islice
from pathlib import Path
from threading import Event

import pytest

from tests.endurance import fuzz, mutation
from tests.support.handler import Handler, handler


def test_a_seed_makes_the_same_bodies_again():
    first, second = (list(islice(mutation.bodies(random.Random(7)), 200)) for _ in range(2))

    assert first == second
    assert {source for source, _ in first} == set(mutation.SOURCES)
    assert len({body for _, body in first}) > 150


def test_a_sender_sends_the_same_again_for_the_same_seed_and_another_sender_does_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzz, "RAW", 0)  # what is no request breaks off what the handler hears

    with handler() as heard:
        first, again, another = (_sent(heard, number) for number in (0, 0, 1))

    assert first == again
    assert len({*first, *another}) == 20


def test_what_was_found_once_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mutation, "CORPUS", tmp_path / "corpus")

    mutation.keep("clinic", b"a fault")

    assert next(mutation.bodies(random.Random(7))) == ("clinic", b"a fault")


def _sent(heard: Handler, number: int) -> list[tuple[bytes, bytes]]:
    sender = fuzz.Sender(heard.port, 7, number, 10, Event())
    sender.run()
    assert sender.statuses == {200: 10}
    return [(one.first, one.body) for one in (heard.next() for _ in range(10))]
