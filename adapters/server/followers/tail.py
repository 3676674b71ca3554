"""The tail of the log in each serving process: reads each event once and feeds all followers and waiting requests.

Followers are indexed by what they match, so an event costs only its own followers. A follower that does not take its
data is dropped, and reads what it missed by itself before it returns.
"""

import asyncio
from asyncio import Future
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import Protocol

import structlog

from adapters.http import Key, TailEvent, TailPage, Wanted, joined
from adapters.server.processes.threads import Threads
from adapters.sql import Unavailable

EVERY = 0.1
"""Seconds between two checks for events of other services. The writer reports those of this one."""
REST = 2.0
LONGEST_REST = 0.05
"""The pause after a round, as a multiple of its duration and in seconds at most, to leave the interpreter to others."""
SOON = 0.004
"""Seconds before a standby database is checked again; doubled each time."""
LOOKS = 5
"""The most such checks for one commit, before the next regular one."""
KEPT = 4_000
KEPT_BYTES = 8 << 20
"""The most events, and bytes of their messages, that are held for returning followers."""
PIECE = 256
"""The most events that a returning follower is given at once."""

_logger = structlog.get_logger()


class TailFollower(Protocol):
    """A follower. It has everything up to `after`. `patient`: it waits while the database is away."""

    wanted: Wanted
    after: int
    fed: bool
    patient: bool

    def take(self, messages: bytes, position: int) -> bool:
        """Takes matching messages up to a position. False: drop it."""

    def look(self) -> bool:
        """Called regularly. False: drop it."""

    def fall_back(self) -> None:
        """Called when it is dropped: it must read or ask by itself."""


class Tail:
    """Belongs to one event loop. `read` returns the next events after a position, in a thread.

    `listen` registers a callback for commits, repeatedly, since the writer may be replaced. `replayed`: the database is
    a standby, which lags a little.
    """

    def __init__(
        self, read: Callable[[int], TailPage], listen: Callable[[Callable[[], None]], None], *, replayed: bool = False
    ) -> None:
        self._read = read
        self._listen = listen
        self._looks = LOOKS if replayed else 0
        self._left = 0
        self._threads = Threads(1, "hookfold-tail")
        self._groups: dict[Wanted, dict[TailFollower, None]] = {}
        self._wanting: dict[Key, dict[Wanted, None]] = {}
        self._recent: list[TailEvent] = []
        self._recent_bytes = 0
        self._floor = self._position = self._met = 0
        self._sources: set[str] = set()
        self._looking = self._reading = self._resting = self._again = False

    def join(self, follower: TailFollower, head: int) -> bool:
        """Feeds the follower from now on. False if `head` is too far back, so that it must read again.

        `head` is the position up to which it has everything.
        """
        if not self._groups:
            self._begin(head)
        elif self._lacks(follower, head):
            return False
        if self._looks:
            asyncio.get_running_loop().call_soon(self.committed)
        self._return(follower)
        return True

    def rejoin(self, follower: TailFollower) -> bool:
        """Feeds a follower again that took no more. False if what it missed is not held: it must read."""
        if not self._groups or self._lacks(follower, follower.after):
            return False
        self._return(follower)
        return True

    def leave(self, follower: TailFollower) -> None:
        """Removes a follower."""
        if follower.fed:
            self._remove(follower, follower.after)

    def committed(self) -> None:
        """Called after a commit."""
        self._left = self._looks
        self.news()

    def news(self) -> None:
        """Called when there may be something to read."""
        if self._reading or self._resting:
            self._again = True
        elif self._groups:
            self._again, self._reading = False, True
            told = partial(self._told, self._position, monotonic())
            self._threads.run(partial(self._read, self._position)).add_done_callback(told)

    def close(self) -> None:
        """Waits for the current read."""
        self._threads.close()

    def _lacks(self, follower: TailFollower, after: int) -> bool:
        """Whether events after a position may be missing here, or a source came whose streams it does not know."""
        return after < self._floor or (follower.wanted.anywhere and after < self._met)

    def _return(self, follower: TailFollower) -> None:
        """Gives a follower what it missed, a piece at a time, and adds it once it has taken all of that."""
        later = bisect_right(self._recent, follower.after, key=attrgetter("position"))
        missed = [told for told in self._recent[later:] if _is_for(follower, told)]
        for start in range(0, len(missed), PIECE):
            some = missed[start : start + PIECE]
            upto = self._position if some[-1] is missed[-1] else some[-1].position
            if not follower.take(joined(some), upto):
                return
        self._add(follower)

    def _begin(self, head: int) -> None:
        self._recent.clear()
        self._recent_bytes = 0
        self._sources.clear()
        self._floor = self._position = self._met = head
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Reads while there are followers."""
        self._looking = bool(self._groups)
        if self._looking:
            asyncio.get_running_loop().call_later(EVERY, self._look)
            self._listen(self.committed)
            for follower in self._all():
                if follower.fed and not follower.look() and follower.fed:
                    self._remove(follower, self._position)
            self.news()

    def _told(self, after: int, began: float, reading: "Future[TailPage]") -> None:
        self._reading = False
        if reading.cancelled():
            return
        if (error := reading.exception()) is not None:
            self._fail(error)
        elif self._groups and after == self._position and reading.result().events:
            self._feed(reading.result().events)
            self._again = self._again or reading.result().more
        elif self._left:
            asyncio.get_running_loop().call_later(SOON * 2 ** (self._looks - self._left), self.news)
            self._left -= 1
        self._resting = True
        rest = min(LONGEST_REST, REST * (monotonic() - began))
        asyncio.get_running_loop().call_later(rest, self._rested)

    def _rested(self) -> None:
        self._resting = False
        if self._again:
            self.news()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, Unavailable):
            _logger.error("tail_failed", exc_info=error)
        for follower in self._all():
            if not follower.patient:
                self._send_back(follower, self._position)

    def _feed(self, rows: Sequence[TailEvent]) -> None:
        self._meet({row.source for row in rows if row.stream is not None}, rows[-1].position)
        self._keep(rows)
        fitting: dict[Wanted, list[TailEvent]] = {}
        for row in rows:
            for key in row.keys:
                for wanted in self._wanting.get(key, ()):
                    if wanted.reading not in {None, row.reading}:
                        continue
                    fitting.setdefault(wanted, []).append(row)
        for wanted, some in fitting.items():
            messages = joined(some)
            for follower in list(self._groups.get(wanted, ())):
                self._give(follower, some, messages)

    def _give(self, follower: TailFollower, some: list[TailEvent], messages: bytes) -> None:
        """Gives a follower that is ahead of the tail only the later events."""
        if follower.after >= some[0].position:
            messages = joined([told for told in some if told.position > follower.after])
        if follower.fed and messages and not follower.take(messages, self._position) and follower.fed:
            self._remove(follower, self._position)

    def _meet(self, sources: set[str], upto: int) -> None:
        """Drops followers whose streams of a new source were unknown, so that they look again."""
        new = sources - self._sources
        self._sources |= new
        if new:
            self._met = upto
            for follower in self._all():
                if follower.wanted.anywhere:
                    self._send_back(follower, self._position)

    def _keep(self, rows: Sequence[TailEvent]) -> None:
        self._position = rows[-1].position
        self._recent += rows
        self._recent_bytes += sum(len(told.message) for told in rows)
        if len(self._recent) > KEPT or self._recent_bytes > KEPT_BYTES:
            self._forget()

    def _forget(self) -> None:
        """Drops the older half of what is held."""
        half = len(self._recent) // 2 + 1
        self._floor = self._recent[half - 1].position
        del self._recent[:half]
        self._recent_bytes = sum(len(told.message) for told in self._recent)

    def _all(self) -> Iterator[TailFollower]:
        return iter([follower for group in self._groups.values() for follower in group])

    def _add(self, follower: TailFollower) -> None:
        wanted = follower.wanted
        follower.fed = True
        self._groups.setdefault(wanted, {})[follower] = None
        for key in wanted.keys:
            self._wanting.setdefault(key, {})[wanted] = None

    def _send_back(self, follower: TailFollower, upto: int) -> None:
        self._remove(follower, upto)
        follower.fall_back()

    def _remove(self, follower: TailFollower, upto: int) -> None:
        """Removes a follower that has everything up to that position."""
        follower.fed, follower.after = False, max(follower.after, upto)
        group = self._groups[follower.wanted]
        del group[follower]
        if not group:
            del self._groups[follower.wanted]
            for key in follower.wanted.keys:
                del self._wanting[key][follower.wanted]
                if not self._wanting[key]:
                    del self._wanting[key]


def _is_for(follower: TailFollower, told: TailEvent) -> bool:
    wanted = follower.wanted
    fits = wanted.reading in {None, told.reading} and not wanted.keys.isdisjoint(told.keys)
    return fits and told.position > follower.after
