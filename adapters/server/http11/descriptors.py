"""The limit of file descriptors, and the share of connections in it."""

import resource

from adapters.server.http11.connections import MOST_CONNECTIONS

_WANTED = 65_536
_KEPT_BACK = 128
"""Descriptors reserved for the database, the writer and files, which responses need."""


def connections_at_most() -> int:
    """Raises the soft limit; returns how many connections (and an eighth more) leave enough descriptors to others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, (soft - min(_KEPT_BACK, soft // 2)) * 8 // 9)
