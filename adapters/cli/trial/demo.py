"""`hookfold demo`: a service of its own, signed traffic of all four providers, and what became of it."""

import time
from collections import Counter
from functools import partial
from random import Random
from typing import Any

import click

from adapters.cli.commands import Failed
from adapters.cli.trial.own_service import own_service
from adapters.cli.trial.show import kinds, table, timeline
from adapters.config import Settings, Source
from adapters.simulator import SCENARIOS, Message, Reader, ScenarioContext, Sender, disturbed, play, plays
from core.event import SECOND, Instant

VERDICTS = ("new", "duplicate", "conflict", "rejected")
HELD = 9
"""Which message of the happy path is held back: the third chunk of results."""


@click.command()
def demo() -> None:
    """Start a service on a free port with a database of its own, play traffic at it, and show the states."""
    with own_service() as settings:
        click.echo(
            f"A service of its own runs on http://127.0.0.1:{settings.port}, with a database in a temporary folder."
        )
        Demo(settings).run()
        click.echo("\nEverything came out as it should.")


class Demo:
    """The acts of the demonstration. Whatever does not come out as told is a failure, exit code 1."""

    def __init__(self, settings: Settings) -> None:
        self.sources = list(settings.sources.values())
        self.clinic = settings.sources["clinic"]
        self.reader = Reader(f"http://127.0.0.1:{settings.port}")
        self.begin: Instant = (int(time.time()) - 120) * SECOND

    def run(self) -> None:
        self.traffic()
        self.gap()
        self.forgery()
        self.states()
        self.verdicts()

    def traffic(self) -> None:
        _title("Traffic: every scenario of every provider; a third of the messages twice, a third of them late")
        rows = [(source.name, source.provider, *self._traffic_of(source)) for source in self.sources]
        click.echo(table(("source", "provider", "sent", *VERDICTS), rows))

    def _traffic_of(self, source: Source) -> list[int]:
        scenarios = list(SCENARIOS[source.provider].values())
        context = partial(ScenarioContext, Random(source.name), self.begin, source.package_name or "")
        messages = disturbed(plays(scenarios, source.provider, len(scenarios), context), 1 / 3, 1 / 3, Random(1))
        verdicts = self._send(source, list(messages))
        _expect(set(verdicts) <= {"new", "duplicate", "conflict"}, f"a message of {source.name} was not taken")
        return [verdicts.total(), *(verdicts[verdict] for verdict in VERDICTS)]

    def gap(self) -> None:
        _title("A hole that closes: a chunk of results comes after everything else")
        messages = SCENARIOS["wms"]["happy"](ScenarioContext(Random("gap"), self.begin), "wms")
        self._send(self.clinic, messages[:HELD] + messages[HELD + 1 :])
        before = self._latest("/v1/measurements")
        click.echo(f"  before: {_sentence(before)}")
        self._send(self.clinic, [messages[HELD]])
        after = self._latest("/v1/measurements")
        click.echo(f"  after:  {_sentence(after)}")
        _expect("gap" in kinds(before["anomalies"]), "the hole was not seen")
        _expect("gap" not in kinds(after["anomalies"]) and after["complete"], "the hole did not close")
        click.echo(f"\n  Timeline of measurement {after['measurement_id']}:\n")
        click.echo(timeline(self.reader.all(f"/v1/measurements/{after['id']}/timeline")))

    def forgery(self) -> None:
        _title("A forgery: the right words, signed with another secret")
        message = SCENARIOS["wms"]["happy"](ScenarioContext(Random("forgery"), self.begin), "wms")[0]
        with Sender(self._url(self.clinic), "wms", "not-the-secret") as sender:
            answer = sender.send(message)
        click.echo(f"  answered: {answer.status} {answer.text.strip()}")
        kept = self.reader.all("/v1/rejections")
        click.echo(table(("kept: source", "reason", "hint"), [(r["source"], r["reason"], r["hint"]) for r in kept]))
        _expect(answer.status == 401 and len(kept) == 1, "the forgery was not refused")

    def states(self) -> None:
        self._list("Sessions", "sessions", "session_id", ("state", "outcome", "run", "events"))
        self._list("Measurements", "measurements", "measurement_id", ("state", "outcome", "run", "complete"))
        self._list("Actions", "actions", "action_id", ("state", "device_type", "command", "error_code"))
        self._list("Devices", "devices", "device_id", ("state", "device_type"))
        self._list("Registrations", "registrations", "registration_id", ("state", "package_name"))

    def _list(self, title: str, path: str, name: str, fields: tuple[str, ...]) -> None:
        _title(title)
        found = self.reader.all(f"/v1/{path}")
        rows = [(it["source"], it[name], *(it[field] for field in fields), kinds(it["anomalies"])) for it in found]
        click.echo(table(("source", name, *fields, "anomalies"), rows))
        _expect(bool(found), f"there are no {path}")

    def verdicts(self) -> None:
        _title("What came to the door, by verdict")
        counted = Counter(delivery["verdict"] for delivery in self.reader.all("/v1/deliveries"))
        click.echo(table(VERDICTS, [[counted[verdict] for verdict in VERDICTS]]))
        _expect(all(counted[verdict] for verdict in VERDICTS), "a verdict is missing")

    def _send(self, source: Source, messages: list[Message]) -> Counter[str]:
        secret = source.secrets[0].value if source.secrets else None
        with Sender(self._url(source), source.provider, secret) as sender:
            return play(sender, messages, 0, lambda _message, _answer: None)

    def _url(self, source: Source) -> str:
        return f"{self.reader.base}/in/{source.name}"

    def _latest(self, path: str) -> Any:
        return self.reader.get(path, limit=1)["data"][0]


def _title(text: str) -> None:
    click.echo(f"\n{text}\n")


def _sentence(measurement: dict[str, Any]) -> str:
    told = "; ".join(f"{anomaly['kind']}: {anomaly['detail']}" for anomaly in measurement["anomalies"])
    return f"{measurement['state']}, complete: {measurement['complete']}, anomalies: {told or 'none'}"


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Failed(otherwise)
