"""The registration of an app's server with augmentos or mentraos, and the heartbeats that may follow."""

from enum import Enum

from core.event import SECOND, Event
from core.ordering.order import begin_by_time, by_time, follow_by_time, go_on_by_time
from core.states.state import Settings, State, StateMachine
from core.states.table import On, Transition, declare

SILENT_AFTER = 300 * SECOND
"""A registration without events for this long is `silent` (derived). No cloud is known to send heartbeats, so this
proves nothing."""


class Registration(Enum):
    UNKNOWN = "unknown"
    REGISTERED = "registered"
    ALIVE = "alive"


UNKNOWN, REGISTERED, ALIVE = Registration

# fmt: off
table = declare(name="registration", states=Registration, initial=UNKNOWN, rows=[
    #  on                     from                          to
    On("server_registration", [UNKNOWN, REGISTERED, ALIVE], REGISTERED),
    On("server_heartbeat",    [REGISTERED, ALIVE],          ALIVE),
    On("server_heartbeat",    UNKNOWN,                      ALIVE,      marks="unexpected"),
])
# fmt: on

KEPT = frozenset({"package_name", "server_urls", "session_id"})


class RegistrationState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data` holds package_name, server_urls and session_id (as sent)."""

    state: str = "unknown"


def step(state: RegistrationState, event: Event, _: Settings) -> Transition:
    """Folds one event whose type is known."""
    state.keep(KEPT, event)
    return state.take(table, event)


registration = StateMachine(
    "registration", (table,), RegistrationState, by_time, begin_by_time, follow_by_time, go_on_by_time, step, revision=3
)
