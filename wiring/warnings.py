"""Warnings at the start about settings that are probably unintended."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import inet_aton

import structlog

from wiring.components import Components

_logger = structlog.get_logger()

SHORT = 16
"""The length below which a source's secret can be guessed."""

_OPEN = "others can read every state and body, tell of actions and start replays"


def warn(components: Components, host: str) -> None:
    """Logs the warnings, with what to do. `host` is the listening address."""
    settings = components.settings
    if not settings.sources:
        _logger.warning("no_source", mend=f"add [sources.NAME] with its provider to {settings.path}")
    if names := components.replay().unbuilt():
        _logger.warning("unbuilt", machines=names, mend="hookfold replay run, or serve --rebuild-on-start")
    for source in settings.sources.values():
        for secret in source.secrets:
            if len(secret.value) < SHORT:
                mend = "make it longer, there and here: whoever guesses it can sign"
                _logger.warning("short_secret", source=source.name, secret=secret.ref, mend=mend)
    if not settings.tokens and not is_loopback(host):
        mend = f"add [tokens.NAME] to {settings.path}: {_OPEN}"
        _logger.warning("no_token", host=host, mend=mend)


def is_loopback(host: str) -> bool:
    """Whether an address or name is reachable only from this machine."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    address = _address(host)
    return address is not None and (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Parses an address, also in the short forms of sockets, such as 127.1; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(inet_aton(host))
    except (OSError, ValueError):
        return None
