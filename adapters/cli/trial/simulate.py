"""`hookfold simulate`: signed traffic of a provider, at any URL."""

import json
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from random import Random

import click

from adapters.cli.commands import Failed, Wrong, config_option, json_option
from adapters.cli.trial.progress import ProgressPrinter
from adapters.cli.trial.target import SimulationTarget, target
from adapters.simulator import (
    SCENARIOS,
    Message,
    Scenario,
    ScenarioContext,
    Sender,
    Unreachable,
    disturbed,
    play,
    plays,
)
from core.event import SECOND
from core.words import counted

BEFORE = 120
"""Seconds before now at which every play begins: they last up to two minutes, and nothing comes from the future."""

_chance = partial(click.option, type=click.FloatRange(0, 1), default=0.0, show_default=True)


def _list(as_json: bool) -> None:
    for provider, scenarios in SCENARIOS.items():
        for name, scenario in scenarios.items():
            told = {"provider": provider, "scenario": name, "what": scenario.__doc__}
            click.echo(json.dumps(told) if as_json else f"{provider:10} {name:20} {scenario.__doc__}")


EXAMPLES = """\b
Examples:
  hookfold simulate --source clinic --scenario happy
  hookfold simulate --source energy --count 50 --duplicates 0.3 --disorder 0.3
  hookfold simulate --url http://127.0.0.1:9000/webhook --provider mentraos --scenario restart
"""


@click.command(epilog=EXAMPLES)
@click.option("--source", help="A source of the configuration: gives provider, secret and URL.")
@click.option("--url", help="Where to send.  [default: the source's path on 127.0.0.1]")
@click.option("--provider", type=click.Choice(list(SCENARIOS)), help="As whom to send.")
@click.option("--secret", metavar="REF", help="env:NAME or file:PATH; for providers that sign.")
@click.option("--scenario", "names", multiple=True, help="What to play; several in turn.  [default: every one]")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Plays of each scenario.")
@click.option("--rate", type=click.FloatRange(0), default=0.0, help="Messages a second.  [default: as fast as it goes]")
@_chance("--duplicates", help="Chance that a message is sent twice.")
@_chance("--disorder", help="Chance that a message comes late.")
@click.option("--seed", type=int, help="The same seed gives the same names and the same disorder.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios.")
@config_option
@json_option
def simulate(
    source: str | None,
    url: str | None,
    provider: str | None,
    secret: str | None,
    names: tuple[str, ...],
    count: int,
    rate: float,
    duplicates: float,
    disorder: float,
    seed: int | None,
    listed: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Play documented and realistic traffic, signed as the provider signs it."""
    if listed:
        _list(as_json)
        return
    there = target(source, url, provider, secret, config)
    scenarios = [_scenario(there.provider, name) for name in names or SCENARIOS[there.provider]]
    context = partial(ScenarioContext, Random(seed), (int(time.time()) - BEFORE) * SECOND)
    if there.package:
        context = partial(context, package=there.package)
    chance = Random(seed)
    messages = disturbed(
        plays(scenarios, there.provider, count * len(scenarios), context), duplicates, disorder, chance
    )
    _report(there, *_play(there, messages, rate), as_json)


def _scenario(provider: str, name: str) -> Scenario:
    if name not in SCENARIOS[provider]:
        raise Wrong(f"{provider} has no scenario {name}: take one of {', '.join(SCENARIOS[provider])}")
    return SCENARIOS[provider][name]


def _play(there: SimulationTarget, messages: Iterable[Message], rate: float) -> tuple[Counter[str], float]:
    started = time.monotonic()
    progress = ProgressPrinter()
    try:
        with Sender(there.url, there.provider, there.secret, proxied=there.proxied is not None) as sender:
            verdicts = play(sender, messages, rate, lambda _message, answer: progress.tell(answer))
    except Unreachable as error:
        mend = "start the service there, or say where it is with HOOKFOLD_PORT or --url"
        raise Failed(f"{error}: {mend}") from error
    return verdicts, time.monotonic() - started


def _report(there: SimulationTarget, verdicts: Counter[str], seconds: float, as_json: bool) -> None:
    sent = verdicts.total()
    if as_json:
        click.echo(
            json.dumps({"url": there.url, "sent": sent, "seconds": round(seconds, 3), "verdicts": dict(verdicts)})
        )
    else:
        click.echo(f"sent {counted(sent, 'message')} to {there.url} in {seconds:.1f} s")
        for verdict, number in verdicts.most_common():
            click.echo(f"  {verdict:14}{number:>8}")
    if verdicts["rejected"] or verdicts["unavailable"]:
        raise Failed("not every message was taken")
    if failed := verdicts["handler_failed"]:
        session = there.provider in ("augmentos", "mentraos")
        where = f"source={there.proxied}&type=handler_failed" if session else "source=hookfold&type=forwarded"
        raise Failed(
            f"every message was recorded, but the handler behind {there.proxied} answered {failed} of them with an "
            f"error or not at all: /v1/events?{where} says which, and what it answered"
        )
