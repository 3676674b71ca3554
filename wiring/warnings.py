"""What a service says at its start of what is most likely not meant."""

from ipaddress import ip_address

import structlog

from wiring.parts import Parts

_logger = structlog.get_logger()


def warn(parts: Parts, host: str) -> None:
    """Logs a line for each, with what mends it. `host`: the address that will be served on."""
    settings = parts.settings
    if not settings.sources:
        _logger.warning("no_source", mend=f"add [sources.NAME] with its provider to {settings.path}")
    if names := parts.replay().unbuilt():
        _logger.warning("unbuilt", machines=names, mend="hookfold replay, or serve --rebuild-on-start")
    if not settings.tokens and not is_loopback(host):
        mend = f"add [tokens.NAME] to {settings.path}: whoever reaches this address can read every state and body"
        _logger.warning("no_token", host=host, mend=mend)


def is_loopback(host: str) -> bool:
    """Whether an address, or a name, is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
