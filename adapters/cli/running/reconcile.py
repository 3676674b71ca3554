"""`hookfold reconcile`: asks the provider of actions how those are that no webhook has ended."""

import json

import click
import msgspec

from adapters.cli.commands import Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.pace import Pace
from adapters.config import Settings
from adapters.server import Reconciled


@click.command()
@configured(senders=True)
@click.option("--source", metavar="NAME", help="Only this one.  [default: every source with an api_key]")
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="So many questions for each source at most.")
@json_option
def reconcile(commands: Commands, settings: Settings, source: str | None, most: int | None, as_json: bool) -> None:
    """Ask Amps for the actions that are acknowledged or scheduled, and record what it says.

    So a lost webhook, and an action that was cancelled, become known. Two questions a second; a pause that Amps asks
    for is kept. Exit code 1 where a round had to end early.
    """
    names = _named(settings, source)
    with errors_in_one_line(), commands.reconciling(settings) as ask:
        pace = Pace()

        def tell(done: Reconciled) -> None:
            if pace.due():
                click.echo(f"{done.asked} asked, {sum(done.learnt.values())} learnt", err=True)

        rounds = {name: ask(name, most, tell) for name in names}
    if as_json:
        click.echo(json.dumps({"sources": msgspec.to_builtins(rounds)}))
    for name, done in rounds.items():
        if not as_json:
            click.echo(f"{name}: {_told(done)}")
    wrong = [f"{name}: {reason}" for name, done in rounds.items() for reason in _wrong(done)]
    if wrong:
        raise Failed("; ".join(wrong))


def _named(settings: Settings, source: str | None) -> list[str]:
    with_api = [name for name, one in sorted(settings.sources.items()) if one.polling is not None]
    if source is not None and source not in with_api:
        raise Wrong(f"--source: {settings.path} gives no source {source} an api_key")
    if not with_api:
        raise Wrong(f'{settings.path} gives no source an api_key: add api_key = "env:NAME" to an amps source')
    return with_api if source is None else [source]


def _wrong(done: Reconciled) -> list[str]:
    failed = f"answers that Hookfold failed to take, see the log lines reconcile_failed: {done.failed}"
    return [*([failed] if done.failed else []), *([done.stopped] if done.stopped is not None else [])]


def _told(done: Reconciled) -> str:
    learnt = ", ".join(f"{count} {state}" for state, count in sorted(done.learnt.items())) or "nothing new"
    return f"{done.asked} asked: {learnt}; {done.unchanged} as we knew, {done.unknown} unknown there"
