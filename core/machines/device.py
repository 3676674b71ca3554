"""A device of amps: it is what its last event says."""

from enum import Enum

from core.event import Event
from core.machines.state import Kind, Settings, State
from core.machines.table import Arm, On, declare
from core.order import begin_by_time, by_time, follow_by_time


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


def step(state: DeviceState, event: Event, _: Settings) -> Arm | str:
    """Folds one event whose type is known."""
    arm = table.pick(state.state, event.type, state, event)
    if arm is None:
        return f"no row for {event.type}"
    if arm.to:
        state.state = arm.to
    state.keep(KEPT, event)
    return arm


device = Kind("device", (table,), DeviceState, by_time, begin_by_time, follow_by_time, step)
