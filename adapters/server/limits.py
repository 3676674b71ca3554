"""Rate limits (429, RFC 6585) per peer and per source, in bounded memory. Each serving process counts for itself."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from math import ceil
from time import monotonic

from prometheus_client import Counter

from adapters.config import Rate
from adapters.http import Answer, failure, is_ingest, problem_answer
from core.event import Headers

MOST_PEERS = 10_000
"""The most peers. The least recently seen is forgotten first."""

OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths for monitoring, which have no limit."""

Network = IPv4Network | IPv6Network

LIMITED = Counter("hookfold_limited", "Requests that were answered with 429.", ["by"], registry=None)


class Buckets:
    """A bucket per name: it holds one period's requests and refills evenly (GCRA)."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._every = rate.seconds / rate.count
        self._whole = float(rate.seconds)
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str) -> float:
        """Takes one and returns 0, or the seconds until one is available."""
        now = self._clock()
        full_at = max(self._full_at.get(name, now), now) + self._every
        if full_at - now > self._whole + 1e-9:
            return full_at - now - self._whole
        self._full_at[name] = full_at
        self._full_at.move_to_end(name)
        if len(self._full_at) > MOST_PEERS:
            self._full_at.popitem(last=False)
        return 0.0


class Limits:
    """The limits of one process. `trusted` are the proxies whose `X-Forwarded-For` is believed."""

    def __init__(self, peers: Rate | None, sources: Mapping[str, Rate], trusted: Sequence[Network] = ()) -> None:
        self._peers = Buckets(peers) if peers else None
        self._sources = {name: Buckets(rate) for name, rate in sources.items()}
        self._trusted = trusted

    def refusal_of_peer(self, peer: str, target: str, headers: Headers) -> Answer | None:
        """The refusal of a peer over its limit; None if it is within."""
        if self._peers is None or target in OPEN:
            return None
        return _refusal("peer", self._peers.wait(self._name(peer, headers)), target)

    def refusal_of_source(self, source: str, target: str) -> Answer | None:
        """The refusal of a delivery to a source over its limit; None if it is within."""
        buckets = self._sources.get(source)
        return _refusal("source", buckets.wait(source), target) if buckets else None

    def _name(self, peer: str, headers: Headers) -> str:
        """The client: the last address that is not a trusted proxy's. For IPv6 its network, all of which a host has."""
        told = [one.strip() for name, value in headers if name == "x-forwarded-for" for one in value.split(",")]
        found = peer
        while self._is_trusted(found) and told:
            found = told.pop()
        address = _address(found)
        return str(IPv6Network((address, 64), strict=False)) if isinstance(address, IPv6Address) else found[:64]

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _refusal(by: str, wait: float, target: str) -> Answer | None:
    if not wait:
        return None
    LIMITED.labels(by).inc()
    after = ("retry-after", str(ceil(wait)))
    if is_ingest(target):
        return failure(429, "too many deliveries: send this one again later", [after])
    problem = problem_answer(429, "too many requests: ask again later")
    return problem._replace(headers=[*problem.headers, after])
