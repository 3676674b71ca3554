"""Polls a provider for actions that no webhook has ended, and records the results."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from adapters.providers import polled_body, polled_status, read_polled
from adapters.server.handlers.action_api import ActionApi, Answered
from adapters.sql import Entry, LiveAction, Receipt, Unavailable
from core.event import SECOND, Instant
from core.machines.action import is_further

GAP = 0.5
"""Seconds between two requests, which every API tolerates."""
LONGEST_LATER = 60
"""The longest pause in seconds that a provider may request. A longer one ends the round."""
FAILURES = 3
"""Consecutive requests without response that end a round."""
YOUNG: Instant = 60 * SECOND
"""The age below which an action's webhook may still be on its way."""
PAGE = 50
MOST = 500
"""The most requests of a service's round. The next round continues after them."""

_REPORT = (
    "a fault of Hookfold: report this line; the action opened at this position is asked for again in a later round"
)
_REPORT_ROUND = "a fault of Hookfold: report this line; the next round goes on from here"

_logger = structlog.get_logger()


class Reconciled(msgspec.Struct):
    """The result of a round. `learnt` counts recorded events by state; `stopped`: why it ended early.

    `unchanged` counts responses without news; `failed` those that met a bug of ours.
    """

    asked: int = 0
    learnt: dict[str, int] = {}
    unchanged: int = 0
    unknown: int = 0
    unanswered: int = 0
    failed: int = 0
    stopped: str | None = None


@dataclass(slots=True)
class Reconciliation:
    """Requests the open actions of one source. Not thread-safe: it belongs to the event loop.

    `find(after, heard_before, limit)` queries the database for open actions. `commit` appends an entry and returns its
    receipt, or None if it was not committed. `after` is the opening position of the last action that was processed, or
    0 at the beginning of a round.
    """

    source: str
    api: ActionApi
    find: Callable[[int, Instant, int], Awaitable[Sequence[LiveAction]]]
    commit: Callable[[Entry], Awaitable[Receipt | None]]
    clock: Callable[[], Instant]
    gap: float = GAP
    after: int = 0
    _failures: int = field(default=0, init=False)

    async def round(self, most: int | None = None, tell: Callable[[Reconciled], None] = lambda _: None) -> Reconciled:
        """Requests each action once, from where the last round ended, and begins again after the last action."""
        done = Reconciled(learnt={})
        self._failures = 0
        while page := await self.find(self.after, self.clock() - YOUNG, PAGE):
            for one in page:
                if most is not None and done.asked >= most:
                    return done
                await self._settle(one, done)
                tell(done)
                if done.stopped is not None:
                    return done
                self.after = one.opened
                await asyncio.sleep(self.gap)
        self.after = 0
        return done

    async def _settle(self, one: LiveAction, done: Reconciled) -> None:
        """Handles one action. A bug of ours is logged and does not end the round."""
        done.asked += 1
        try:
            await self._one(one, done)
        except Unavailable:
            raise
        except Exception:
            done.failed += 1
            _logger.exception("reconcile_failed", source=self.source, opened=one.opened, mend=_REPORT)

    async def _one(self, one: LiveAction, done: Reconciled) -> None:
        answered = await self.api.ask(one.action_id)
        if answered.status == 429 and answered.later <= LONGEST_LATER:
            await asyncio.sleep(max(answered.later, 1))
            answered = await self.api.ask(one.action_id)
        if answered.status == 200:
            self._failures = 0
            await self._learn(one, answered.body, done)
        elif answered.status == 404:
            done.unknown += 1
        else:
            self._refused(answered, done)

    def _refused(self, answered: Answered, done: Reconciled) -> None:
        done.unanswered += 1
        self._failures += 1
        if answered.status in {401, 403}:
            done.stopped = f"the key is refused ({answered.status})"
        elif answered.status == 429:
            done.stopped = "too many questions (429)"
        elif self._failures >= FAILURES:
            done.stopped = f"no answer, {FAILURES} times one after another ({answered.status or 'nobody there'})"

    async def _learn(self, one: LiveAction, answer: bytes, done: Reconciled) -> None:
        status = polled_status(answer, one.action_id)
        if status is None:
            done.unknown += 1
            return
        if not is_further(status.state, one.state):
            done.unchanged += 1
            return
        now = self.clock()
        body = polled_body(one.action_id, status, now)
        identity = b"polled:" + hashlib.sha256(body).digest()
        receipt = await self.commit(Entry(self.source, now, [], body, None, identity, read_polled(body)))
        if receipt is None:
            done.stopped = "the log could not commit what was learnt"
        elif receipt.verdict == "new":
            done.learnt[status.state] = done.learnt.get(status.state, 0) + 1
        else:
            done.unchanged += 1


class Reconciling:
    """Runs rounds at an interval."""

    def __init__(self, reconciliation: Reconciliation, every: float) -> None:
        self._reconciliation = reconciliation
        self._every = every
        self._ended = asyncio.Event()
        self._round: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Does nothing: appends do not matter here."""

    def ask_with(self, keys: Mapping[str, str]) -> None:
        """Replaces the API key by that of its source in `keys`, if there is one."""
        reconciliation = self._reconciliation
        if (key := keys.get(reconciliation.source)) is not None:
            reconciliation.api.ask_with(key)

    def stop(self) -> None:
        """Makes `run` return soon."""
        self._ended.set()
        if self._round is not None:
            self._round.cancel()

    async def run(self) -> None:
        """Runs until stopped. The first round is one interval from now."""
        while not await self._rested(self._every):
            self._round = asyncio.ensure_future(self._ask())
            await asyncio.wait([self._round])
        await self._reconciliation.api.close()

    async def _ask(self) -> None:
        source = self._reconciliation.source
        try:
            done = await self._reconciliation.round(MOST)
        except Unavailable as error:
            _logger.warning("reconcile_waits", source=source, reason=str(error))
        except Exception:
            _logger.exception("reconcile_failed", source=source, mend=_REPORT_ROUND)
        else:
            if done.asked:
                _logger.info("reconciled", source=source, **msgspec.to_builtins(done))

    async def _rested(self, seconds: float) -> bool:
        """Waits; returns whether it was stopped meanwhile."""
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True
