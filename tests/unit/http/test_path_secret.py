"""A source that signs nothing may have a path that nobody guesses."""

from typing import Any

import pytest

from adapters.http import Door
from tests.support.house import NOON, House

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def door(sqlite_url: str) -> Door:
    house = House(sqlite_url)
    house.close()
    return Door(house.providers, 1_000, lambda: NOON, paths={"captions": SECRET})


@pytest.mark.parametrize("path", ["", "/", "/webhook", "/webhook/"])
def test_it_receives_behind_its_secret(door: Door, path: str):
    assert door.source_of("POST", f"/in/captions/{SECRET}{path}") == "captions"


@pytest.mark.parametrize("path", ["", "/webhook", "/wrong", f"/{SECRET}x", f"/{SECRET}/x", f"/webhook/{SECRET}"])
def test_anything_else_is_no_source(door: Door, path: str):
    refused: Any = door.source_of("POST", f"/in/captions{path}")

    assert refused == door.source_of("POST", "/in/nobody")
    assert refused.status == 404


def test_other_sources_stay_where_they_are(door: Door):
    assert door.source_of("POST", "/in/older/webhook") == "older"
    refused: Any = door.source_of("POST", f"/in/older/{SECRET}")
    assert refused.status == 404
