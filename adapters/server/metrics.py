"""What the processes of the server count: to be registered in each of them."""

from adapters.server.commits.link import METRICS as LINK_METRICS
from adapters.server.followers.following import WAITING
from adapters.server.handlers.forwarding import METRICS as FORWARD_METRICS
from adapters.server.http11.connections import METRICS as SITE_METRICS
from adapters.server.limits import LIMITED

METRICS = (*SITE_METRICS, *FORWARD_METRICS, *LINK_METRICS, WAITING, LIMITED)
