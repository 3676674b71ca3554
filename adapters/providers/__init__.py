"""The four providers: each verifies, identifies and reads deliveries. The public interface of this folder."""

from adapters.providers.action_report import REPORTED_STATES, is_senders, read_report, reader, report_body
from adapters.providers.amps import NO_TYPE
from adapters.providers.diagnosis import diagnose, tried
from adapters.providers.instants import instant, iso
from adapters.providers.outcome import KEPT, Outcome, outcome_body, read_outcome
from adapters.providers.polling import polled_body, polled_status, read_polled
from adapters.providers.port import Provider, Refused, SignatureKey
from adapters.providers.registry import PROVIDERS, build
from adapters.providers.signatures import sign_svix, sign_wms
from adapters.providers.slips import spelling_hint
from adapters.providers.websocket_hosts import points_elsewhere
