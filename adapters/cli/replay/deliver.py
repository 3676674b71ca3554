"""`hookfold replay deliver`: sends a stored range again, to a handler under development."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from adapters.cli.commands import Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.pace import Pace
from adapters.config import Settings, handler_url
from adapters.server import Redelivered, Redeliveries, StoredDelivery
from core.words import counted

SHOWN = 5
"""The most failed deliveries that are printed one by one."""


class DeliveryMeter:
    """Counts the responses of the handler, and prints progress to standard error."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.last = 0
        self.failed = 0
        self._pace = Pace()

    def tell(self, one: Redelivered) -> bool:
        """Counts a response. Returns False if the handler is unreachable: then the caller stops."""
        word = one.outcome.failure or str(one.outcome.status)
        self.answers[word] += 1
        if not one.outcome.succeeded:
            self.failed += 1
            if self.failed <= SHOWN:
                click.echo(f"position {one.position}: {word}", err=True)
        if one.outcome.failure == "unreachable":
            return False
        self.last = one.position
        if self._pace.due():
            click.echo(f"{self.answers.total()} sent, up to position {self.last}", err=True)
        return True


@click.command()
@configured(senders=True)
@click.option("--to", "url", required=True, metavar="URL", help="The handler's whole URL; nothing is appended.")
@click.option("--source", required=True, metavar="NAME", help="What this source sent.")
@click.option("--stream", metavar="ID", help="Only the stream with this id of ours (ses_…, act_…, dev_…, reg_…).")
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="N", help="Only events behind this position.")
@click.option("--until", type=click.IntRange(min=1), metavar="N", help="Only events up to this position.")
@click.option("--rate", type=click.FloatRange(0.01, 1000), default=10.0, show_default=True, help="A second, at most.")
@click.option(
    "--within", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds for an answer."
)
@click.option("--send", is_flag=True, help="Send it. Without this, tell what would be sent.")
@json_option
def deliver(commands: Commands, settings: Settings, /, url: str, as_json: bool, **asked: Any) -> None:
    """Send stored webhooks again, in the log's order, to a handler under development. Shows first, sends with --send.

    Headers and body are sent as received. Deliveries of Amps are signed again with the source's secrets. Responses are
    not recorded as events. Exit code 1 if any delivery was not answered with a success.
    """
    source = asked["source"]
    if source not in settings.sources:
        raise Wrong(f"--source: {settings.path} names no source {source}")
    try:
        to = handler_url(url)
    except ValueError as error:
        raise Wrong(f"--to: {error}") from error
    with errors_in_one_line(), commands.redelivering(settings) as opened:
        some = opened.find(source, asked["stream"], asked["after"], asked["until"])
        if asked["send"]:
            _send(opened, to, some, asked, as_json)
        else:
            _show(to, some, as_json)


def _show(to: str, some: Iterator[StoredDelivery], as_json: bool) -> None:
    count = size = first = last = 0
    for one in some:
        count, size, first, last = count + 1, size + len(one.body), first or one.position, one.position
    if as_json:
        click.echo(json.dumps({"deliveries": count, "bytes": size, "first": first or None, "last": last or None}))
        return
    deliveries = counted(count, "delivery", "deliveries")
    click.echo(f"{deliveries}, {counted(size, 'byte')}, of positions {first} to {last} would be sent to {to}")
    click.echo("nothing was sent: add --send")


def _send(opened: Redeliveries, to: str, some: Iterator[StoredDelivery], asked: dict[str, Any], as_json: bool) -> None:
    opened.record(asked["source"], asked["after"], asked["until"])
    sent = DeliveryMeter()
    opened.send(to, asked["rate"], asked["within"], some, sent.tell)
    if as_json:
        click.echo(json.dumps({"answers": dict(sent.answers), "last": sent.last or None, "failed": sent.failed}))
    else:
        told = ", ".join(f"{word}: {count}" for word, count in sorted(sent.answers.items())) or "nothing to send"
        click.echo(f"{told}; the last one at position {sent.last}")
    if sent.answers["unreachable"]:
        raise Failed(f"{to} cannot be reached: start it, and go on with --after {sent.last or asked['after']}")
    if sent.failed:
        raise Failed(f"{sent.failed} were answered with something else than a success")
