"""The four providers: each verifies, identifies and reads deliveries. The public interface of this folder."""

from adapters.providers.action_report import REPORTED_STATES, is_senders, read_report, reader, report_body
from adapters.providers.amps import Amps
from adapters.providers.augmentos import Augmentos
from adapters.providers.diagnosis import diagnose, tried
from adapters.providers.instants import instant, iso
from adapters.providers.mentraos import Mentraos
from adapters.providers.outcome import KEPT, Outcome, outcome_body, read_outcome
from adapters.providers.polling import polled_body, polled_status, read_polled
from adapters.providers.port import Provider, Refused, Sender, SignatureKey
from adapters.providers.signatures import sign_svix, sign_wms
from adapters.providers.slips import meant
from adapters.providers.websocket_hosts import points_elsewhere
from adapters.providers.wms import Wms

PROVIDERS: dict[str, type[Provider]] = {kind.name: kind for kind in (Augmentos, Mentraos, Amps, Wms)}
"""The providers by their names in the configuration. A new one needs a file, an entry here and a test file."""


def build(source: Sender) -> Provider:
    """Builds the provider of a configured source. Raises KeyError for an unknown one, ValueError for an unusable
    secret.
    """
    return PROVIDERS[source.provider].built_from(source)


__all__ = [
    "KEPT",
    "PROVIDERS",
    "REPORTED_STATES",
    "Outcome",
    "Provider",
    "Refused",
    "SignatureKey",
    "build",
    "diagnose",
    "instant",
    "is_senders",
    "iso",
    "meant",
    "outcome_body",
    "points_elsewhere",
    "polled_body",
    "polled_status",
    "read_outcome",
    "read_polled",
    "read_report",
    "reader",
    "report_body",
    "sign_svix",
    "sign_wms",
    "tried",
]
