"""A running service that `hookfold demo`'s traffic was played at, and that asks for a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from time import time
from typing import Any

from adapters.simulator import SCENARIOS, Message, ScenarioContext, Sender, disturbed, play, plays
from core.event import SECOND
from tests.support.service import AMPS_SECRET, CONFIGURATION, WMS_SECRET, Service, running

TOKEN = "a-token-for-the-desk-0123456789"
SOURCES = {"clinic": "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
SIGNED = {"wms": WMS_SECRET, "amps": AMPS_SECRET}


@contextmanager
def demo_service(folder: Path) -> Iterator[Service]:
    """The service, with every scenario of every provider in its log, some of it twice, late or forged."""
    folder.mkdir()
    (folder / "token").write_text(TOKEN)
    token = f'\n[tokens.desk]\nsecret = "file:{folder / "token"}"\nscopes = ["read", "raw", "act"]\n'
    with running(f"sqlite:///{folder / 'log.db'}", folder, configuration=CONFIGURATION + token) as service:
        began = (int(time()) - 600) * SECOND
        for source, provider in SOURCES.items():
            send(service, source, _every_scenario(source, provider, began))
        send(service, "clinic", scan("forgery")[:1], "another-secret")
        yield service


def send(service: Service, source: str, messages: list[Message], secret: str | None = None) -> None:
    """Plays the messages at the service, signed as their provider does."""
    provider = SOURCES[source]
    url = f"http://127.0.0.1:{service.port}/in/{source}"
    with Sender(url, provider, secret or SIGNED.get(provider)) as sender:
        play(sender, messages, 0, lambda _message, _answer: None)


def scan(name: str) -> list[Message]:
    """A scan from the page's opening to its result."""
    return SCENARIOS["wms"]["happy"](ScenarioContext(Random(name), (int(time()) - 60) * SECOND), "wms")


def ask(service: Service, path: str) -> Any:
    """The JSON of a GET."""
    return service.send("GET", path, headers={"authorization": f"Bearer {TOKEN}"}).json


def places(service: Service) -> list[str]:
    """A page of each kind."""
    kinds = ("sessions", "measurements", "actions", "devices", "registrations")
    things = [f"/{kind}/{ask(service, f'/v1/{kind}?limit=1')['data'][0]['id']}" for kind in kinds]
    lists = [f"/{name}" for name in (*kinds, "deliveries", "events", "machines")]
    return ["/", *lists, *things, f"{things[1]}/report", "/events/1", "/replays", "/docs"]


def _every_scenario(source: str, provider: str, began: int) -> list[Message]:
    scenarios = list(SCENARIOS[provider].values())
    package = "com.example.captions" if provider == "mentraos" else ""
    context = partial(ScenarioContext, Random(source), began, package)
    return list(disturbed(plays(scenarios, provider, len(scenarios), context), 1 / 3, 1 / 3, Random(1)))
