"""Connections to a handler: kept for the next request, unless the handler closes them, and each costs the same."""

import asyncio
import cProfile
from typing import Any

from adapters.server import Handler as Asked
from adapters.server import Target
from adapters.server.handler import RecordedRequest
from tests.support.handler import FINE, PATIENCE, Handler
from wiring.parts import now


def ask(behind: Handler, together: int, times: int = 1) -> list[Any]:
    """What became of so many requests at once, so many times."""

    async def run() -> list[Any]:
        asked = Asked(Target(behind.url, PATIENCE, 1_000, observe=False, beside=frozenset(), session=False), now)
        loop, outcomes = asyncio.get_running_loop(), []
        for _ in range(times):
            until = loop.time() + PATIENCE
            requests = (asked.deliver(RecordedRequest("", [], b"{}"), [], until) for _ in range(together))
            outcomes += [outcome for outcome, _ in await asyncio.gather(*requests)]
        await asked.close()
        return outcomes

    return asyncio.run(run())


def calls(behind: Handler, together: int) -> float:
    """Calls of functions for each of so many requests at once."""
    with cProfile.Profile() as profile:
        ask(behind, together)
    return sum(one.callcount for one in profile.getstats()) / together


def test_many_at_once_cost_no_more_each_than_few(behind: Handler):
    ask(behind, 1)  # the first one pays for imports

    few, many = calls(behind, 10), calls(behind, 100)

    assert many < 1.2 * few


def test_a_connection_is_kept_for_the_next_request_and_one_that_the_handler_closed_is_not(behind: Handler):
    outcomes = ask(behind, 1, times=3)
    behind.answer = FINE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    outcomes += ask(behind, 2, times=3)

    assert [outcome.status for outcome in outcomes] == [200] * 9
