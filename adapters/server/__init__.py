"""The server: HTTP in the event loop, Flask in a thread pool, and one writing process."""

from adapters.server.bridge import Bridge
from adapters.server.commits.draining import Draining
from adapters.server.commits.link import Link, NoWriter, outcome_of
from adapters.server.commits.spans import Spans
from adapters.server.commits.spool import DeliverySpool
from adapters.server.commits.spooling import Spooling
from adapters.server.commits.writer import write_for_parent
from adapters.server.followers.tail import Tail
from adapters.server.front import Front
from adapters.server.handlers.action_api import ActionApi
from adapters.server.handlers.forwarding import METRICS as FORWARD_METRICS
from adapters.server.handlers.forwarding import Forwarding
from adapters.server.handlers.handler import Handler, Target
from adapters.server.handlers.reconciling import Reconciled, Reconciliation, Reconciling
from adapters.server.handlers.redelivery import Redelivered, Redeliveries, StoredDelivery
from adapters.server.handlers.relay_loop import relay_for_parent
from adapters.server.handlers.relaying import Relaying, RelaySource
from adapters.server.limits import Limits
from adapters.server.loop import serve_for_parent
from adapters.server.metrics import METRICS
from adapters.server.processes.child import Child
from adapters.server.processes.collector import tune
from adapters.server.processes.ends import connect
from adapters.server.processes.logs import configure_logs
from adapters.server.processes.maintaining import wait_for_parent
from adapters.server.processes.parent import Parent
from adapters.server.processes.ports import counting, listening, to_writer
from adapters.server.processes.reloading import Reloaded, Reloading
from adapters.server.processes.supervisor import Supervisor
