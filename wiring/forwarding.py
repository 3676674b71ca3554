"""Handlers that stand behind us: who is asked, and who may ask them."""

from urllib.parse import urlsplit

from adapters.config import ConfigError, Settings
from adapters.http import Door
from adapters.server import Forwarding, Handler, Link, Target
from adapters.sql import Recorder
from core.event import SECOND
from wiring.parts import Parts, now
from wiring.warnings import is_loopback


def forwarding(parts: Parts, door: Door, link: Link) -> Forwarding | None:
    """Hands deliveries on, for one process; None where no source asks for it."""
    targets = {
        name: Target(
            url=one.to,
            within=one.within / SECOND,
            most=one.most,
            observe=one.observe,
            beside=parts.providers[name].beside,
            session=parts.providers[name].machine_of("session") == "session",
        )
        for name, one in parts.forwards().items()
    }
    handlers = {name: Handler(target, now) for name, target in targets.items()}
    return Forwarding(handlers, door, link, Recorder(link.append, now, "http")) if handlers else None


def refuse_forwards(settings: Settings) -> None:
    """Raises ConfigError where a source has a handler: a WSGI server would need a thread for each request it has."""
    for name, source in settings.sources.items():
        if source.forward is not None:
            mend = '"proxy" is done by `hookfold serve` alone: serve with it, or make it "record"'
            raise ConfigError(settings.path, f"sources.{name}.mode", mend)


def refuse_loops(settings: Settings, host: str) -> None:
    """Raises ConfigError where a handler is this very service: a webhook would go round and round."""
    for name, source in settings.sources.items():
        if source.forward is None:
            continue
        to = urlsplit(source.forward.to)
        at = to.hostname or ""
        if to.port == settings.port and (at == host or is_loopback(at)):
            mend = "this is Hookfold itself: name the port that the handler listens on"
            raise ConfigError(settings.path, f"sources.{name}.forward_to", mend)
