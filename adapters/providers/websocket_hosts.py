"""Checks the WebSocket URLs in webhooks of the glasses: a forged one could make the app send its key elsewhere.

Nothing is signed, so only the host can be checked. URL parsers differ on unusual forms (backslashes, users, other
scripts), so only plain URLs are accepted, which all parse alike (WHATWG URL Standard; RFC 3986).
"""

import re
from collections.abc import Collection

from adapters.providers.port import Refused
from core.event import Reading

REASON = "websocket_host"

_NAMES = ("websocket_url", "mentraos_websocket_url", "augmentos_websocket_url")
_PLAIN = re.compile(r"wss?://([a-z0-9.-]{1,253})(?::[0-9]{1,5})?(?:[/?][!-\[\]-~]*)?", re.IGNORECASE)


def points_elsewhere(reading: Reading, allowed: Collection[str]) -> Refused | None:
    """None if every WebSocket URL has one of these hosts. `*.example.com` matches any host below that domain."""
    for name in _NAMES:
        url = reading.data.get(name)
        if url is not None and not _is_allowed(url, allowed):
            return Refused(REASON, f"{name} leads to no host of allowed_websocket_hosts")
    return None


def _is_allowed(url: object, allowed: Collection[str]) -> bool:
    plain = _PLAIN.fullmatch(url) if isinstance(url, str) else None
    if plain is None:
        return False
    host = plain[1].lower()
    return any(host.endswith(one[1:]) if one.startswith("*.") else host == one for one in allowed)
