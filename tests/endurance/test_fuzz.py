"""What `make fuzz` sends is the same again for the same seed, and what was found once comes first."""

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.endurance import fuzz


def test_a_seed_makes_the_same_bodies_again():
    first, second = (list(islice(fuzz._bodies(random.Random(7)), 200)) for _ in range(2))

    assert first == second
    assert {source for source, _ in first} == set(fuzz.SOURCES)
    assert len({body for _, body in first}) > 150


def test_what_was_found_once_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path / "corpus")

    fuzz._keep("clinic", b"a fault")

    assert next(fuzz._bodies(random.Random(7))) == ("clinic", b"a fault")
