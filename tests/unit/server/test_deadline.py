"""Waits that are too long are ended, and only those."""

import asyncio
from asyncio import CancelledError, Future

import pytest

from adapters.server.deadline import Deadline


def test_a_wait_that_is_overdue_is_cancelled_and_others_go_on():
    asyncio.run(_overdue())


async def _overdue() -> None:
    deadline = Deadline(0)
    loop = asyncio.get_running_loop()
    stalled, ended = (loop.create_future() for _ in range(2))
    for waiting in (stalled, ended):
        deadline.begin(waiting)
    deadline.end(ended)

    with pytest.raises(CancelledError):
        await stalled

    assert deadline.is_over(stalled)
    assert not ended.done()
    deadline.end(stalled)


def test_a_wait_that_begins_later_has_its_own_time():
    asyncio.run(_later())


async def _later() -> None:
    deadline = Deadline(0)
    loop = asyncio.get_running_loop()
    first: Future[None] = loop.create_future()
    second: Future[None] = loop.create_future()
    deadline.begin(first)
    first.add_done_callback(lambda _: deadline.begin(second))

    with pytest.raises(CancelledError):
        await first

    assert not second.done()
    assert not deadline.is_over(second)
    deadline.end(first)
    deadline.end(second)
