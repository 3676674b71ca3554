"""What serves: HTTP in the event loop, Flask in threads behind it, and one process that writes."""

from adapters.server.action_api import ActionApi
from adapters.server.bridge import Bridge
from adapters.server.child import Child
from adapters.server.collector import tune
from adapters.server.draining import Draining
from adapters.server.ends import connect
from adapters.server.following import WAITING
from adapters.server.forwarding import METRICS as FORWARD_METRICS
from adapters.server.forwarding import Forwarding
from adapters.server.front import Front
from adapters.server.handler import Handler, Target
from adapters.server.limits import LIMITED, Limits
from adapters.server.link import METRICS as LINK_METRICS
from adapters.server.link import Link, NoWriter, outcome_of
from adapters.server.logs import configure_logs
from adapters.server.loop import serve_for_parent
from adapters.server.maintaining import wait_for_parent
from adapters.server.parent import Parent
from adapters.server.ports import counting, listening, to_writer
from adapters.server.reconciling import Reconciled, Reconciliation, Reconciling
from adapters.server.redelivery import Redelivered, Redelivery, StoredDelivery
from adapters.server.relay_loop import relay_for_parent
from adapters.server.relaying import Relaying, RelaySource
from adapters.server.reloading import Reloaded, Reloading
from adapters.server.site import METRICS as SITE_METRICS
from adapters.server.spans import Spans
from adapters.server.spool import DeliverySpool
from adapters.server.spooling import Spooling
from adapters.server.supervisor import Supervisor
from adapters.server.tail import Tail
from adapters.server.writer import write_for_parent

METRICS = (*SITE_METRICS, *FORWARD_METRICS, *LINK_METRICS, WAITING, LIMITED)

__all__ = [
    "FORWARD_METRICS",
    "METRICS",
    "ActionApi",
    "Bridge",
    "Child",
    "DeliverySpool",
    "Draining",
    "Forwarding",
    "Front",
    "Handler",
    "Limits",
    "Link",
    "NoWriter",
    "Parent",
    "Reconciled",
    "Reconciliation",
    "Reconciling",
    "Redelivered",
    "Redelivery",
    "RelaySource",
    "Relaying",
    "Reloaded",
    "Reloading",
    "Spans",
    "Spooling",
    "StoredDelivery",
    "Supervisor",
    "Tail",
    "Target",
    "configure_logs",
    "connect",
    "counting",
    "listening",
    "outcome_of",
    "relay_for_parent",
    "serve_for_parent",
    "to_writer",
    "tune",
    "wait_for_parent",
    "write_for_parent",
]
