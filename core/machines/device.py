"""An amps device. Its last event sets its state."""

from enum import Enum

from core.event import Event
from core.ordering.order import begin_by_time, by_time, follow_by_time, go_on_by_time
from core.states.state import Settings, State, StateMachine
from core.states.table import On, Transition, declare


class Device(Enum):
    UNKNOWN = "unknown"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"


ANY = list(Device)

# fmt: off
table = declare(name="device", states=Device, initial=Device.UNKNOWN, rows=[
    #  on                     from  to
    On("device.connected",    ANY,  Device.CONNECTED),
    On("device.disconnected", ANY,  Device.DISCONNECTED),
    On("device.reconnected",  ANY,  Device.RECONNECTED),
])
# fmt: on

KEPT = frozenset({"device_type", "reconnection_url"})


class DeviceState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data`: device_type, reconnection_url."""

    state: str = "unknown"


def step(state: DeviceState, event: Event, _: Settings) -> Transition:
    """Folds one event whose type is known."""
    state.keep(KEPT, event)
    return state.take(table, event)


device = StateMachine(
    "device", (table,), DeviceState, by_time, begin_by_time, follow_by_time, go_on_by_time, step, revision=3
)
