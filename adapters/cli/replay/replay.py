"""`hookfold replay`: rebuilds projections from the log, and manages their versions."""

import json
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import groupby
from pathlib import Path
from typing import Any

import click
import msgspec

from adapters.cli.commands import Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.meter import Meter
from adapters.cli.output import writing
from adapters.cli.pace import Pace
from adapters.cli.replay.deliver import deliver
from adapters.cli.replay.together import COMMON, MODES, PART, mode_of
from adapters.cli.times import Moment
from adapters.config import Settings
from adapters.sql import Answering, Difference, Part, Replay, ReplayRefused, Status, Version, VersionStatus
from core.event import SECOND, Instant
from core.folding.fold import MACHINES
from core.instants import moment_of
from core.views.declared import Cause
from core.views.golden_history import GoldenHistory
from core.words import counted

KINDS = ("session", "registration", "action", "device")


_machine = click.option(
    "--machine", multiple=True, type=click.Choice(sorted(MACHINES)), help="Only this machine. Also several times."
)
Machines = tuple[str, ...]


@click.group(invoke_without_command=True)
@click.pass_context
def replay(context: click.Context, /, **asked: Any) -> None:
    """Rebuild projections from the log, and manage their versions. Without a command: `run`."""
    given = [name for name, value in asked.items() if not (value is None or value is False or value == ())]
    if context.invoked_subcommand is not None:
        if given:
            raise Wrong(f"put the options after the command: hookfold replay {context.invoked_subcommand} ...")
        return
    mode = mode_of([name for name in given if name not in COMMON])
    command = replay.commands.get(mode, run)
    context.invoke(command, **{param.name: asked[param.name] for param in command.params if param.name})


@replay.command()
@configured()
@_machine
@click.option("--no-switch", is_flag=True, help="Build, and let the old version serve on: the next run switches.")
@click.option("--source", metavar="NAME", help="Refold in place: only streams of this source.")
@click.option("--stream", metavar="ID", help="Refold in place: only the stream with this id of ours.")
@click.option("--kind", type=click.Choice(KINDS), help="Refold in place: only streams of this kind.")
@click.option("--since", type=Moment(), help="Refold in place: only streams with an event recorded since then.")
@json_option
def run(commands: Commands, settings: Settings, /, as_json: bool, **asked: Any) -> None:
    """Rebuild projections with this release, then switch.

    It builds beside the serving version, while ingest goes on. A run that was killed resumes where it stopped. Up to
    two earlier versions are kept for `rollback`, until `drop`. With --source, --stream, --kind or --since, it refolds
    those streams in place instead.
    """
    mode = mode_of([name for name, value in asked.items() if value])
    with _opened(commands, settings) as opened:
        if mode == "part":
            _again(opened, Part(**{name: asked[name] for name in PART}), as_json)
        else:
            _rebuild(opened, asked["machine"], as_json, serve=not asked["no_switch"])


@replay.command()
@configured()
@_machine
@click.option("--source", metavar="NAME", help="Only streams of this source.")
@json_option
def diff(commands: Commands, settings: Settings, machine: Machines, source: str | None, as_json: bool) -> None:
    """Show what a run would change; write nothing. Exit code 1 if anything would."""
    with _opened(commands, settings) as opened:
        _check_source(opened, source)
        _difference(opened, machine, source, as_json)


@replay.command()
@configured()
@json_option
def status(commands: Commands, settings: Settings, as_json: bool) -> None:
    """Show versions, which one serves, and what waits."""
    with _opened(commands, settings) as opened:
        _status(opened.status(), as_json)


@replay.command()
@configured()
@_machine
@click.option("--to", metavar="VERSION", help="To this one, as `status` names it.")
@json_option
def rollback(commands: Commands, settings: Settings, machine: Machines, to: str | None, as_json: bool) -> None:
    """Switch back to the version that served before, or to the one that is named.

    A running service answers with the version of its own code. So the command names the services to restart, and the
    release to restart them with.
    """
    with _opened(commands, settings) as opened:
        versions = opened.rollback(machine, to)
        _tell_switched(opened, versions, "serves again", as_json)
        for one in versions:
            if not opened.has_code_of(one):
                click.echo(f"warning: {_foreign(one, opened.releases_of(one))}", err=True)


@replay.command()
@configured()
@json_option
def drop(commands: Commands, settings: Settings, as_json: bool) -> None:
    """Delete the retired versions and their projections."""
    with _opened(commands, settings) as opened:
        _tell_changed(opened.drop(), "is gone", as_json)


@replay.command()
@configured()
@click.option("--source", metavar="NAME", help="Only deliveries of this source.")
@json_option
def reread(commands: Commands, settings: Settings, source: str | None, as_json: bool) -> None:
    """Parse again what could not be parsed.

    Bodies that no earlier release could parse, and this one can, become new events.
    """
    _reread(commands, settings, source, as_json)


@replay.command()
@configured()
@click.argument("capture", metavar="ID")
@click.option("--why", help="What the history is there for.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@json_option
def capture(
    commands: Commands, settings: Settings, capture: str, why: str | None, output: Path | None, as_json: bool
) -> None:
    """Write a stream as a golden history.

    Everything personal is replaced; read the file before you give it away.
    """
    with _opened(commands, settings) as opened:
        _capture(opened.capture(capture, why or "Captured."), output, as_json)


replay.add_command(deliver)


def _aliases() -> list[click.Parameter]:
    """Hidden options of the group: what each command is, and takes, as it was typed before there were commands."""
    flags = [click.Option([f"--{name}"], is_flag=True) for name in MODES if name != "capture"]
    taken = [param for name, command in replay.commands.items() if name != "deliver" for param in command.params]
    options = {param.name: copy(param) for param in taken if isinstance(param, click.Option)}
    aliases = [*flags, click.Option(["--capture"]), *options.values()]
    for option in aliases:
        option.hidden = True
    return list(aliases)


replay.params = _aliases()


@contextmanager
def _opened(commands: Commands, settings: Settings) -> Iterator[Replay]:
    with errors_in_one_line(), commands.replay(settings) as opened:
        try:
            yield opened
        except ReplayRefused as error:
            raise Failed(str(error)) from error


def _rebuild(opened: Replay, machines: tuple[str, ...], as_json: bool, *, serve: bool) -> None:
    meter = Meter()
    started = time.monotonic()
    versions = opened.rebuild(machines, meter.tell, serve=serve)
    meter.end()
    seconds = time.monotonic() - started
    if as_json:
        counts = {"streams": meter.streams, "seconds": round(seconds, 3), "serves": serve}
        told = _builtins(opened.answering()) if serve else []
        click.echo(json.dumps({"versions": _names(versions), **counts, "answering": told}))
        return
    state = "serves" if serve else "is ready"
    for version in versions:
        click.echo(f"{version.machine}: version {version.version} {state}")
    click.echo(f"{counted(meter.streams, 'stream')} in {seconds:.1f} s")
    if serve:
        _tell_answering(opened.answering())
        click.echo("`hookfold replay rollback` returns to the versions before, `hookfold replay drop` deletes them")


def _capture(story: GoldenHistory, output: Path | None, as_json: bool) -> None:
    text = msgspec.json.format(msgspec.json.encode(story), indent=2).decode() + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    with writing("history"):
        output.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"file": str(output), "events": len(story.events)}))
    else:
        click.echo(f"{counted(len(story.events), 'event')} in {output}: read it before it is anybody else's")


def _reread(commands: Commands, settings: Settings, source: str | None, as_json: bool) -> None:
    if source is not None and source not in settings.sources:
        raise Wrong(f"--source: {settings.path} names no source {source}")
    with errors_in_one_line(), commands.rereader(settings) as opened:
        again = opened.reread(source)
    if as_json:
        click.echo(msgspec.json.encode(again).decode())
        return
    for before, now in again.read.items():
        click.echo(f"position {before} is read now, as the event at position {now}")
    looked_at = counted(again.looked_at, "event")
    click.echo(f"{len(again.read)} of {looked_at} that belonged to no stream can be read now")


def _difference(opened: Replay, machines: tuple[str, ...], source: str | None, as_json: bool) -> None:
    pace = Pace()
    found: Difference | None = None
    for found in opened.compare(machines, source):
        if pace.due():
            kinds = counted(len(found.changes), "kind of change", "kinds of change")
            click.echo(f"{counted(found.compared, 'stream')} compared, {kinds}", err=True)
    if found is None:
        return
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        _tell_difference(found)
    if found.changes or found.failed:
        raise SystemExit(1)


def _tell_difference(found: Difference) -> None:
    click.echo(f"{counted(found.compared, 'stream')} compared up to position {found.position}")
    for change in found.changes:
        click.echo(f"{change.kind}: {change.what} {change.was or 'none'} -> {change.now or 'none'}: {change.count}")
        for example in change.examples:
            click.echo(f"  {example.id} ({example.source}): {_because(example.cause)}")
    for stream in found.failed:
        click.echo(f"{stream}: CANNOT BE FOLDED by this code")
    if found.behind:
        left_out = counted(found.behind, "stream was", "streams were")
        click.echo(f"{left_out} left out: what serves has not folded all of it")
    if not found.changes and not found.failed:
        click.echo("nothing would change")


def _because(cause: Cause | None) -> str:
    if cause is None:
        return "no row of the machine and no setting differs: an effect of a row, or how bodies are read"
    return f"position {cause.position}, {cause.type}: was {cause.was}; now {cause.now}"


def _check_source(opened: Replay, source: str | None) -> None:
    if source is not None and source not in opened.sources:
        raise Wrong(f"--source: there is no source {source}: there are {', '.join(opened.sources) or 'none'}")


def _again(opened: Replay, part: Part, as_json: bool) -> None:
    _check_source(opened, part.source)
    meter = Meter()
    streams = opened.again(part, meter.tell)
    meter.end()
    if as_json:
        click.echo(json.dumps({"streams": streams, "failed": meter.failed}))
    else:
        click.echo(f"{counted(streams, 'stream')} folded anew")
    if meter.failed:
        raise Failed(f"{counted(meter.failed, 'stream')} cannot be folded by this code")


def _tell_switched(opened: Replay, versions: Sequence[Version], what: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"versions": _names(versions), "answering": _builtins(opened.answering())}))
        return
    _tell_changed(versions, what, as_json)
    _tell_answering(opened.answering())


def _builtins(found: Sequence[Answering]) -> list[Any]:
    return [msgspec.to_builtins(one) for one in found]


def _tell_answering(found: Sequence[Answering]) -> None:
    """Which service answers with what, and what to do about those that do not answer with what serves."""
    if not found:
        click.echo("no service runs over this log now; one that starts answers with the versions of its own code")
    for service, its in groupby(found, lambda one: (one.service, one.release)):
        others = [one for one in its if not one.serves]
        who = "service {} (release {}) answers with".format(*service)
        if not others:
            click.echo(f"{who} the versions that serve")
        for one in others:
            answer = f"version {one.version} ({one.status})" if one.version else "no version that is left"
            click.echo(f"{who} {answer} of {one.machine} until it is restarted with {_known(one.releases)}")


def _known(releases: Sequence[str]) -> str:
    return f"release {' or '.join(releases)}" if releases else "the release whose code built what serves"


def _foreign(one: Version, releases: Sequence[str]) -> str:
    return (
        f"{one.machine}: this release has no code for version {one.version}: its services go on answering with their "
        f"own, and what they append is folded into it by {_known(releases)} alone"
    )


def _tell_changed(versions: Sequence[Version], what: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"versions": _names(versions)}))
        return
    for version in versions:
        click.echo(f"{version.machine}: version {version.version} {what}")


def _names(versions: Sequence[Version]) -> list[dict[str, str]]:
    return [{"machine": one.machine, "version": one.version} for one in versions]


def _status(status: Status, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(msgspec.structs.asdict(status) | {"lag": status.lag}).decode())
        return
    click.echo(f"the log is at position {status.position}{_at(status.recorded_at)}; this code is {status.lag} behind")
    mine = {(one.machine, one.fingerprint) for one in status.versions if one.own}
    for one in status.versions:
        facts = [_code(one, mine), *_facts(one)]
        click.echo(f"{one.machine:<13}{one.version:<20}{one.status:<9} {', '.join(facts)}")
    for service in status.services:
        state = f"was stopped{_at(service.ended_at)}" if service.ended_at else f"was seen{_at(service.seen_at)}"
        click.echo(f"service {service.name} (release {service.release}) {state}")


def _code(one: VersionStatus, mine: Collection[tuple[str, str]]) -> str:
    if (one.machine, one.fingerprint) not in mine:
        return "other code"
    return "this code" if one.status != "retired" else "an earlier build of this code"


def _facts(one: VersionStatus) -> list[str]:
    facts: list[str] = []
    if one.switched_at:
        facts.append(f"began to serve{_at(one.switched_at)}")
    if one.status == "building":
        facts.append(
            f"{counted(one.folded, 'stream')} by {one.built_by}{_at(one.started_at)}, "
            f"last progress{_at(one.progressed_at)}"
        )
    if one.waiting:
        facts.append(counted(one.waiting, "stream waits", "streams wait"))
    if one.oldest is not None:
        facts.append(f"position {one.oldest}{_at(one.oldest_at)} is not folded")
    if one.failed:
        facts.append(f"{counted(one.failed, 'stream')} CANNOT BE FOLDED by its code")
    return facts


def _at(instant: Instant | None) -> str:
    if not instant:
        return ""
    age = max(0, time.time() - instant / SECOND)
    return f" at {moment_of(instant):%Y-%m-%dT%H:%M:%SZ} ({age:.0f} s ago)"
