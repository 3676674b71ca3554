"""By when something has to come, declared beside each machine. `now` stays outside: what is due is a fact."""

from collections.abc import Callable

import msgspec

from core.event import LAST, SECOND, Instant
from core.machines.action import LIVE
from core.machines.measurement import EXPECTED_WITHIN
from core.machines.registration import SILENT_AFTER
from core.machines.session import RUNNING
from core.machines.state import Settings, State

_LIVE = frozenset(state.value for state in LIVE)
_RUNNING = frozenset(state.value for state in RUNNING)


class Deadline(msgspec.Struct, frozen=True, gc=False):
    """`what` the stream is once it has been silent from `since` to `at` and beyond: overdue, presumed_ended, silent."""

    what: str
    since: Instant
    at: Instant

    def passed(self, now: Instant) -> bool:
        return now > self.at

    def overdue_s(self, now: Instant) -> float:
        """Seconds behind it; negative while there is time."""
        return (now - self.at) / SECOND


def deadline(machine: str, state: State, settings: Settings) -> Deadline | None:
    """The machine's deadline in this state; None where it waits for nothing that has one."""
    return DEADLINES[machine](state, settings)


def _session(state: State, settings: Settings) -> Deadline | None:
    return _due("presumed_ended", state.last_at, settings.presumed_ended_after if state.state in _RUNNING else None)


def _measurement(state: State, _: Settings) -> Deadline | None:
    return _due("overdue", state.last_at, EXPECTED_WITHIN.get(state.state))


def _action(state: State, settings: Settings) -> Deadline | None:
    return _due("overdue", state.first_at, settings.overdue_after if state.state in _LIVE else None)


def _registration(state: State, _: Settings) -> Deadline | None:
    return _due("silent", state.last_at, SILENT_AFTER)


def _device(_: State, __: Settings) -> Deadline | None:
    return None


def _due(what: str, since: Instant | None, within: Instant | None) -> Deadline | None:
    """None also where it would be later than any instant that can be told."""
    if since is None or within is None or since + within > LAST:
        return None
    return Deadline(what, since, since + within)


DEADLINES: dict[str, Callable[[State, Settings], Deadline | None]] = {
    "session": _session,
    "measurement": _measurement,
    "action": _action,
    "registration": _registration,
    "device": _device,
}
