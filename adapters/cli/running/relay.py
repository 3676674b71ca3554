"""`hookfold relay`: lists deliveries to handlers, pauses and resumes them, retries and drops dead ones."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from adapters.cli.commands import Asked, Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.keeping import by_option
from adapters.config import Settings
from adapters.sql import RelayDesk
from core.words import counted

_source = click.option("--source", required=True, metavar="NAME", help="The source whose deliveries are meant.")
_position = click.option("--position", type=click.IntRange(min=1), metavar="N", help="Only the delivery of this event.")


@click.group()
def relay() -> None:
    """List deliveries to handlers (`mode = "relay"`), pause and resume them, retry or drop dead ones."""


@relay.command()
@configured()
@json_option
def status(commands: Commands, settings: Settings, as_json: bool) -> None:
    """Count waiting and dead deliveries by source; exit code 1 if any is dead."""
    with errors_in_one_line(), commands.asking(settings) as ask:
        code, text = ask("/v1/relays/summary", {})
    if code != 200:
        raise Failed(f"the database cannot be asked: {text}")
    found: list[dict[str, Any]] = json.loads(text)["data"]
    if as_json:
        click.echo(json.dumps({"sources": found}))
    for one in [] if as_json else found:
        click.echo(_told(one))
    if not found and not as_json:
        click.echo('no source has mode = "relay"')
    if any(one["dead"] for one in found):
        raise Failed(
            "some could not be delivered: `hookfold relay list --dead` lists them, `hookfold relay retry` sends them"
        )


@relay.command("list")
@configured()
@click.option("--source", metavar="NAME", help="Only deliveries of this source.")
@click.option("--dead", is_flag=True, help="Only those that were given up.")
@json_option
def list_(commands: Commands, settings: Settings, source: str | None, dead: bool, as_json: bool) -> None:
    """List waiting and dead deliveries, each with its last error or next attempt. --json: a line for each."""
    asked = {"limit": "100", **({"source": source} if source else {}), **({"state": "dead"} if dead else {})}
    with errors_in_one_line(), commands.asking(settings) as ask:
        for one in _rows(ask, asked):
            click.echo(json.dumps(one) if as_json else _row(one))


@relay.command()
@configured()
@_source
@by_option
@json_option
def pause(commands: Commands, settings: Settings, source: str, by: str | None, as_json: bool) -> None:
    """Pause deliveries of a source until `resume`. Those in flight finish; new ones wait."""
    with _desk(commands, settings, source) as desk:
        desk.pause(source, by)
    click.echo(json.dumps({"source": source, "paused": True}) if as_json else f"{source}: nothing is delivered now")


@relay.command()
@configured()
@_source
@by_option
@json_option
def resume(commands: Commands, settings: Settings, source: str, by: str | None, as_json: bool) -> None:
    """Resume deliveries of a source, with those that wait."""
    with _desk(commands, settings, source) as desk:
        desk.resume(source, by)
    click.echo(json.dumps({"source": source, "paused": False}) if as_json else f"{source}: what waits is delivered")


@relay.command()
@configured()
@_source
@_position
@by_option
@json_option
def retry(commands: Commands, settings: Settings, /, **asked: Any) -> None:
    """Retry dead deliveries, all of a source or one, for as long as new ones are tried."""
    _decide(commands, settings, asked, lambda desk: desk.retry, "are tried again")


@relay.command()
@configured()
@_source
@_position
@by_option
@json_option
def drop(commands: Commands, settings: Settings, /, **asked: Any) -> None:
    """Drop dead deliveries, all of a source or one. Their events stay in the log."""
    _decide(commands, settings, asked, lambda desk: desk.drop, "are dropped")


def _decide(
    commands: Commands,
    settings: Settings,
    asked: dict[str, Any],
    act: Callable[[RelayDesk], Callable[..., int]],
    words: str,
) -> None:
    source, position = asked["source"], asked["position"]
    with _desk(commands, settings, source) as desk:
        done = act(desk)(source, position, asked["by"])
    if position is not None and not done:
        raise Failed(f"{source}: the delivery of the event at position {position} is not dead")
    click.echo(json.dumps({"source": source, "count": done}) if asked["as_json"] else f"{source}: {done} {words}")


@contextmanager
def _desk(commands: Commands, settings: Settings, source: str) -> Iterator[RelayDesk]:
    if source not in settings.sources:
        raise Wrong(f"--source: {settings.path} names no source {source}")
    with errors_in_one_line(), commands.relays(settings) as desk:
        yield desk


def _rows(ask: Asked, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The deliveries of all pages of the list. Raises Failed."""
    while True:
        code, text = ask("/v1/relays", asked)
        if code != 200:
            raise Failed(f"the database cannot be asked: {text}")
        page = json.loads(text)
        yield from page["data"]
        if page["next_cursor"] is None:
            return
        asked = {"cursor": page["next_cursor"]}


def _row(one: dict[str, Any]) -> str:
    whose = one["stream"] or "of no stream"
    why = one["reason"] or (f"next attempt at {one['next_at']}" if one["next_at"] else "")
    tried = counted(one["attempts"], "attempt")
    facts = [f"{one['source']} {one['position']}", whose, one["state"], why or tried]
    return "  ".join(facts)


def _told(one: dict[str, Any]) -> str:
    facts = [f"{one['waiting']} waiting", f"{one['dead']} dead"]
    if one["oldest_at"]:
        facts.append(f"the oldest since {one['oldest_at']}")
    if one["paused_at"]:
        facts.append(f"paused since {one['paused_at']}")
    return f"{one['source']}: {', '.join(facts)}"
