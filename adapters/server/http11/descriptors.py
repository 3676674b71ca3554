"""How many descriptors this process may have, and how many of them connections may take."""

import resource

from adapters.server.http11.connections import MOST_CONNECTIONS

_WANTED = 65_536
_KEPT_BACK = 128
"""For the database, the writer and files: what answers must not be short of what asks has taken."""


def connections_at_most() -> int:
    """Raises the soft limit, and tells how many connections (and an eighth more) leave enough for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(hard, _WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, (soft - min(_KEPT_BACK, soft // 2)) * 8 // 9)
