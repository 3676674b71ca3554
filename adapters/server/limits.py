"""Who sends too much is asked to wait (429, RFC 6585): a peer, or all that send to one source. Memory is bounded.

Each serving process counts for itself.
"""

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
"""Whoever was seen longest ago is forgotten first."""

OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""What supervises is never sent away."""

Network = IPv4Network | IPv6Network

LIMITED = Counter("hookfold_limited", "Requests that were answered with 429.", ["by"], registry=None)


class Buckets:
    """A bucket for each name: it holds what may come in one period at once, and fills evenly (GCRA)."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = monotonic) -> None:
        self._every = rate.seconds / rate.count
        self._whole = float(rate.seconds)
        self._clock = clock
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, name: str) -> float:
        """Takes one: 0, or the seconds until there is one to take."""
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
    """Of one process. `trusted`: proxies whose `X-Forwarded-For` says who their client is."""

    def __init__(self, peers: Rate | None, sources: Mapping[str, Rate], trusted: Sequence[Network] = ()) -> None:
        self._peers = Buckets(peers) if peers else None
        self._sources = {name: Buckets(rate) for name, rate in sources.items()}
        self._trusted = trusted

    def refusal_of_peer(self, peer: str, target: str, headers: Headers) -> Answer | None:
        """What a client is answered that asks too often."""
        if self._peers is None or target in OPEN:
            return None
        return _refusal("peer", self._peers.wait(self._name(peer, headers)), target)

    def refusal_of_source(self, source: str, target: str) -> Answer | None:
        """What a sender is answered where too much comes for its source."""
        buckets = self._sources.get(source)
        return _refusal("source", buckets.wait(source), target) if buckets else None

    def _name(self, peer: str, headers: Headers) -> str:
        """Who asks: the last address that no trusted proxy has. Of IPv6 the network, for a host has all of it."""
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
