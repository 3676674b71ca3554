"""What serves: HTTP in the event loop, Flask in threads behind it, and one process that writes."""

from adapters.server.action_api import ActionApi
from adapters.server.bridge import Bridge
from adapters.server.collector import tune
from adapters.server.ending import Ending
from adapters.server.ends import connect
from adapters.server.following import WAITING
from adapters.server.forwarding import METRICS as FORWARD_METRICS
from adapters.server.forwarding import Forwarding
from adapters.server.front import Front
from adapters.server.handed import handed
from adapters.server.handler import Handler, Target
from adapters.server.limits import LIMITED, Limits
from adapters.server.link import METRICS as LINK_METRICS
from adapters.server.link import Link, NoWriter
from adapters.server.logs import configure_logs
from adapters.server.loop import serve_for_parent
from adapters.server.process import (
    counting,
    delivering,
    listener,
    serving,
    tallies,
    to_writer,
    write_for_parent,
    writing,
)
from adapters.server.reconciling import Reconciled, Reconciliation, Reconciling
from adapters.server.redelivery import Redelivered, Redelivery, StoredDelivery
from adapters.server.relay_loop import relay_for_parent
from adapters.server.relaying import Relaying, RelaySource
from adapters.server.site import METRICS as SITE_METRICS
from adapters.server.tail import Tail

METRICS = (*SITE_METRICS, *FORWARD_METRICS, *LINK_METRICS, WAITING, LIMITED)

__all__ = [
    "FORWARD_METRICS",
    "METRICS",
    "ActionApi",
    "Bridge",
    "Ending",
    "Forwarding",
    "Front",
    "Handler",
    "Limits",
    "Link",
    "NoWriter",
    "Reconciled",
    "Reconciliation",
    "Reconciling",
    "Redelivered",
    "Redelivery",
    "RelaySource",
    "Relaying",
    "StoredDelivery",
    "Tail",
    "Target",
    "configure_logs",
    "connect",
    "counting",
    "delivering",
    "handed",
    "listener",
    "relay_for_parent",
    "serve_for_parent",
    "serving",
    "tallies",
    "to_writer",
    "tune",
    "write_for_parent",
    "writing",
]
