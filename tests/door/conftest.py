"""The doors that deliveries come through: each way of serving, over each database."""

import pytest

from tests.support.service import Service
from tests.support.services import Services

ALL = ["serve-sqlite", "serve-postgresql", "wsgi-sqlite", "wsgi-postgresql"]


@pytest.fixture(params=ALL)
def door(request: pytest.FixtureRequest, services: Services) -> Service:
    """The service over each way of serving and each database."""
    return services[request.param]


@pytest.fixture(params=ALL[:2])
def front(request: pytest.FixtureRequest, services: Services) -> Service:
    """`hookfold serve` on each database: for what a WSGI server would answer itself, in words of its own."""
    return services[request.param]
