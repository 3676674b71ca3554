"""The configured rate limits."""

from ipaddress import ip_network

from adapters.config import Settings
from adapters.server import Limits


def limits(settings: Settings) -> Limits:
    """The limits of one serving process."""
    sources = {name: source.rate for name, source in settings.sources.items() if source.rate is not None}
    trusted = [ip_network(one) for one in settings.service.trusted_proxies]
    return Limits(settings.service.peer_rate, sources, trusted)
