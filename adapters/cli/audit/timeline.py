"""`hookfold audit timeline` and `hookfold audit completeness`: the query API's answers, in the terminal."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from adapters.cli.commands import Asked, Commands, Failed, Wrong, configured, errors_in_one_line, json_option
from adapters.cli.output import output_option, written_whole
from adapters.cli.times import Seconds
from adapters.config import Settings
from core.words import counted

_PATHS = {"ses": "sessions", "mea": "measurements", "act": "actions"}
_AS_OF = click.option("--as-of", metavar="TIME", help="Only what had happened by then, by the provider's clock.")
_KNOWN_AT = click.option("--known-at", metavar="TIME", help="Only what had been recorded here by then.")
_POSITION = click.option("--known-at-position", metavar="N", help="Only what had been recorded up to this position.")


@click.command()
@configured()
@click.argument("name", metavar="ID")
@_AS_OF
@_KNOWN_AT
@_POSITION
@click.option("--format", "form", type=click.Choice(["text", "csv", "csv-bom", "json"]), help="[default: text]")
@json_option
@output_option
def timeline(
    commands: Commands,
    settings: Settings,
    /,
    name: str,
    form: str | None,
    as_json: bool,
    output: Path | None,
    **clocks: str | None,
) -> None:
    """Print the timeline of ID (ses_…, mea_… or act_…): what each event did, what never came, what came again."""
    if as_json and form not in {None, "json"}:
        raise Wrong(f"--json is --format json: not with --format {form}")
    path = f"/v1/{_path_of(name)}/{name}/timeline"
    given = {key: value for key, value in clocks.items() if value is not None}
    with errors_in_one_line(), commands.asking(settings) as ask:
        if as_json or form == "json":
            steps = [step for page in _pages(ask, path, given) for step in page["data"]]
            content = f"{json.dumps(steps, indent=2)}\n"
        else:
            content = _answer(ask, path, given | {"format": form or "text"})
    with written_whole(output, "timeline") as file:
        file.write(content.encode())


@click.command()
@configured()
@click.option("--source", help="Of this source alone.")
@click.option("--session-id", metavar="ID", help="Of the session that the provider calls so.")
@click.option("--lost", flag_value="true", help="Only what has something lost.")
@click.option("--now", metavar="TIME", help="The time by which something is overdue.  [default: now]")
@click.option(
    "--silent-after", type=Seconds(), help="When a source counts as silent: 10m, 12h.  [default: its silent_after]"
)
@_AS_OF
@_KNOWN_AT
@_POSITION
@json_option
def completeness(commands: Commands, settings: Settings, /, as_json: bool, **asked: str | int | None) -> None:
    """Tell what is lost and what is irregular, and which sources are silent; exit code 1 where something is lost.

    Lost is what is missing, never ended, is overdue or contradicted. What came late or twice is irregular: it is in its
    place, and the states are those that it would have had in time. A source may be silent because nobody uses it.
    """
    lost_alone = asked.pop("lost") is not None
    given = {key: str(value) for key, value in asked.items() if value is not None}
    with errors_in_one_line(), commands.asking(settings) as ask:
        sources: list[Any] = []
        losing, irregular = 0, 0
        examined: Counter[str] = Counter()
        for page in _pages(ask, "/v1/audit/completeness", given | {"limit": "100"}):
            sources = page["sources"]
            _check_there(sources)
            examined.update(page["examined"])
            for item in page["data"]:
                losing += item["lost"] > 0
                irregular += item["irregular"]
                if told := _lost_of(item) if lost_alone else item:
                    click.echo("\n".join(_lines(told, as_json=as_json)))
    silent = [one for one in sources if one["derived"]["silent"]]
    for one in sources if as_json else silent:
        click.echo(json.dumps(one) if as_json else f"source {one['source']}  {_heard(one)}")
    counts = (
        f"{counted(irregular, 'finding is', 'findings are')} irregular, "
        f"{counted(len(silent), 'source is', 'sources are')} silent; looked at {_counts(examined)}"
    )
    if losing:
        raise Failed(f"{counted(losing, 'session or action', 'sessions and actions')} lost something, {counts}")
    click.echo(f"nothing is lost, {counts}", err=True)


def _check_there(sources: list[Any]) -> None:
    """Only a source that was asked for can be unknown to configuration and log."""
    for one in sources:
        if one["provider"] is None and one["last_received_at"] is None:
            raise Wrong(f"--source: there is no source {one['source']} in configuration or log")


def _lost_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """The item without what is only irregular; None where nothing of it is lost."""
    return item | {"findings": [one for one in item["findings"] if one["lost"]]} if item["lost"] else None


def _counts(examined: Mapping[str, int]) -> str:
    """`2 sessions, 3 measurements, 0 actions`."""
    return ", ".join(counted(examined.get(kind, 0), kind) for kind in ("session", "measurement", "action"))


def _path_of(name: str) -> str:
    kind = _PATHS.get(name.partition("_")[0])
    if kind is None:
        raise Wrong(f"{name}: expected our id of a session, a measurement or an action (ses_…, mea_…, act_…)")
    return kind


def _pages(ask: Asked, path: str, given: dict[str, str]) -> Iterator[dict[str, Any]]:
    page = json.loads(_answer(ask, path, given))
    yield page
    while page["next_cursor"]:
        page = json.loads(_answer(ask, path, {"cursor": page["next_cursor"]}))
        yield page


def _answer(ask: Asked, path: str, given: dict[str, str]) -> str:
    status, body = ask(path, given)
    if status == 200:
        return body
    problem = json.loads(body)
    if status == 400:
        option = str(problem.get("parameter", "")).replace("_", "-")
        raise Wrong(f"--{option}: {problem['detail'].partition(': ')[2]}")
    raise Failed(problem["detail"])


def _lines(item: dict[str, Any], *, as_json: bool) -> Iterator[str]:
    if as_json:
        yield json.dumps(item)
        return
    yield f"{item['id']}  {item['source']}  {item['state']}"
    for found in sorted(item["findings"], key=lambda one: not one["lost"]):
        place = "" if found["position"] is None else f" at {found['position']}"
        since = "" if found["since"] is None else f", since {found['since']}"
        owner = f"  ({found['measurement']})" if found["measurement"] else ""
        weight = "lost" if found["lost"] else "irregular"
        yield f"  {weight:9}  {found['what']}{place}: {found['detail']}{since}{owner}"


def _heard(one: dict[str, Any]) -> str:
    last = one["last_received_at"]
    return "silent: it never sent anything" if last is None else f"silent since {last}"
