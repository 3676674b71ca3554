"""Threads beside the event loop work no further ahead of it than memory has room for."""

import asyncio
from functools import partial
from threading import Semaphore

from adapters.server.processes.threads import AHEAD, Threads


def test_threads_wait_while_the_loop_takes_no_results():
    async def run() -> list[int]:
        threads, worked = Threads(2, "test"), Semaphore(0)

        def work(number: int) -> int:
            worked.release()
            return number

        runs = [threads.run(partial(work, number)) for number in range(100)]
        for _ in range(2 * AHEAD):
            assert worked.acquire(timeout=60)

        assert not worked.acquire(timeout=0.05)

        results = await asyncio.gather(*runs)
        threads.close()
        return results

    assert asyncio.run(run()) == list(range(100))


def test_what_waits_when_the_pool_is_closed_is_cancelled_and_nobody_waits_for_ever():
    async def run() -> list[object]:
        threads = Threads(1, "test")
        runs = [threads.run(lambda: None) for _ in range(50)]
        await asyncio.get_running_loop().run_in_executor(None, threads.close)
        return await asyncio.gather(*runs, return_exceptions=True)

    assert all(one is None or isinstance(one, asyncio.CancelledError) for one in asyncio.run(run()))
