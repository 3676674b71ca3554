"""The wiring of forwarding, relaying and other background work, and the checks of handlers' URLs."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from adapters.config import ConfigError, Forward, Settings
from adapters.http import Door
from adapters.providers import build, reader
from adapters.server import (
    DeliverySpool,
    Draining,
    Forwarding,
    Handler,
    Link,
    Reconciling,
    Relaying,
    RelaySource,
    Spans,
    Spooling,
    Target,
    outcome_of,
)
from adapters.sql import Entry, Outbox, Receipt, Recorder
from core.event import SECOND
from wiring.components import Components, ProcessInput, now
from wiring.reconciling import reconciliation
from wiring.spools import drained, spools
from wiring.warnings import is_loopback


def forwarding(components: Components, door: Door, link: Link, own: tuple[str, int]) -> Forwarding | None:
    """The forwarding of one process; None if no source needs it. `own` is its listening address."""
    handlers = {
        name: _handler(components, name, one, own) for name, one in components.forwards("proxy", "relay").items()
    }
    recorder = Recorder(link.append, now, "http")
    kept = {name: Spooling(spool, link, components.ids) for name, spool in _spools(components).items()}
    return Forwarding(handlers, components.forwards("proxy").keys(), door, link, recorder, kept) if handlers else None


def _spools(components: Components) -> dict[str, DeliverySpool]:
    return spools(components.settings, components.ids, components.spooled_as)


def relays(
    components: Components,
    spans: Spans | None,
    ask: Callable[..., Awaitable[Any]],
    commit: Callable[[Entry], Awaitable[Receipt | None]],
) -> list[Relaying]:
    """The relaying of one process. `ask` runs a database query in a thread."""
    outbox, recorder = Outbox(components.engine, components.holder), Recorder(_no_append, now, "relay")
    return [
        Relaying(_relayed(components, name, one), outbox, ask, commit, recorder, now, spans)
        for name, one in components.forwards("relay").items()
    ]


def background(
    components: Components,
    link: Link,
    spans: Spans | None,
    ask: Callable[..., Awaitable[Any]],
    commit: Callable[[Entry], Awaitable[Receipt | None]],
) -> list[Relaying | Reconciling | Draining]:
    """All work of the relay process."""
    polled = ((name, one.polling) for name, one in components.settings.sources.items())
    return [
        *relays(components, spans, ask, commit),
        *(
            Draining(spool, partial(outcome_of, link))
            for spool in drained(components.settings, components.ids, components.spooled_as)
        ),
        *(
            Reconciling(reconciliation(components, name, one, ask, commit), one.every / SECOND)
            for name, one in polled
            if one is not None and one.every is not None
        ),
    ]


def renew_background(works: Sequence[object], handed: ProcessInput) -> None:
    """Applies reloaded secrets and API keys to the background work."""
    settings, *_ = handed
    keys = {name: source.polling.key.value for name, source in settings.sources.items() if source.polling is not None}
    providers = {name: build(source) for name, source in settings.sources.items()}
    for work in works:
        if isinstance(work, Relaying):
            work.sign_with(providers)
        elif isinstance(work, Reconciling):
            work.ask_with(keys)


def _relayed(components: Components, name: str, one: Forward) -> RelaySource:
    provider = components.providers[name]
    return RelaySource(name, _handler(components, name, one), provider, reader(provider), one.retry_for or 0)


def _no_append(_: Entry) -> Receipt:
    raise NotImplementedError("its entries are committed in the event loop")


def _handler(components: Components, name: str, one: Forward, own: tuple[str, int] | None = None) -> Handler:
    target = Target(
        url=one.to,
        within=one.within / SECOND,
        most=one.most,
        observe=one.observe,
        beside=components.providers[name].beside,
        session=components.providers[name].machine_of("session") == "session",
    )
    return Handler(target, now, own)


def refuse_forwards(settings: Settings) -> None:
    """Raises ConfigError if a source has a handler, which needs `hookfold serve`.

    A WSGI server would need a thread for each pending request.
    """
    for name, source in settings.sources.items():
        if source.forward is not None:
            mode = source.forward.mode
            mend = f'"{mode}" is done by `hookfold serve` alone: serve with it, or make it "record"'
            raise ConfigError(settings.path, f"sources.{name}.mode", mend)


def refuse_loops(settings: Settings, host: str) -> None:
    """Raises ConfigError if a handler is this service itself: webhooks would loop."""
    for name, source in settings.sources.items():
        if source.forward is None:
            continue
        to = urlsplit(source.forward.to)
        at = to.hostname or ""
        if to.port == settings.port and (at == host or is_loopback(at)):
            mend = "this is Hookfold itself: name the port that the handler listens on"
            raise ConfigError(settings.path, f"sources.{name}.forward_to", mend)
