"""Every scenario of every provider, under the name that the command line takes."""

from collections.abc import Callable

from adapters.simulator import amps, glasses, wms
from adapters.simulator.message import Message, ScenarioContext

Scenario = Callable[[ScenarioContext, str], list[Message]]

_GLASSES = (glasses.start_stop, glasses.restart, glasses.lost_stop, glasses.recovery, glasses.registration)
_AMPS = (amps.push_completed, amps.push_failed, amps.duplicate, amps.conflict, amps.envelope, amps.devices)
_WMS = (
    wms.happy,
    wms.user_cancel,
    wms.low_snr,
    wms.camera_denied,
    wms.camera_error,
    wms.constraint,
    wms.tab_closed,
    wms.websocket_flap,
    wms.connection_lost,
    wms.retry_then_success,
    wms.reload,
)


def _named(scenarios: tuple[Scenario, ...]) -> dict[str, Scenario]:
    return {scenario.__name__: scenario for scenario in scenarios}


SCENARIOS: dict[str, dict[str, Scenario]] = {
    "augmentos": _named(_GLASSES),
    "mentraos": _named(_GLASSES),
    "amps": _named(_AMPS),
    "wms": _named(_WMS),
}
"""By provider, by name."""
