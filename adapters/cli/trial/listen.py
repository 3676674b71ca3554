"""`hookfold listen`: what comes to the door, in the terminal, as it is recorded."""

import json
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

import click

from adapters.cli.commands import Asked, Commands, Failed, configured, errors_in_one_line, json_option
from adapters.config import Settings

EVERY = 0.5
"""Seconds between two looks."""

PAGE = 100
VERDICTS = ("new", "duplicate", "conflict", "rejected")
_COLOURS = {"new": "green", "duplicate": "blue", "conflict": "red", "rejected": "red"}
_STREAMS = {"ses": "sessions", "act": "actions", "dev": "devices", "reg": "registrations"}
_IDS = ("session_id", "action_id", "device_id", "registration_id")

Line = dict[str, Any]


@click.command()
@configured()
@click.option("--source", help="Of this source alone.")
@click.option("--session-id", metavar="ID", help="Of the session that the provider calls so; only what is new.")
@click.option("--type", "types", multiple=True, metavar="NAME", help="Events of this type, * for any text; repeatable.")
@click.option("--verdict", "verdicts", type=click.Choice(VERDICTS), multiple=True, help="[default: all]")
@click.option("--after", type=click.IntRange(0), metavar="N", help="Begin behind this position.  [default: the last]")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="End after so many lines.")
@json_option
def listen(
    commands: Commands,
    settings: Settings,
    /,
    types: Sequence[str],
    verdicts: Sequence[str],
    limit: int | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Print what comes as it is recorded: when, where, what it was, and the state that it left. Ctrl-C ends it.

    It reads the database, and needs no token. A state is the one behind the event, as it was known then.
    """
    with errors_in_one_line(), commands.asking(settings) as ask:
        listener = Listener(ask, asked["after"], asked["source"], asked["session_id"])
        wanted = (line for line in listener.lines() if _is_wanted(line, types, verdicts))
        for line in islice(wanted, limit):
            click.echo(json.dumps(line) if as_json else _shown(line))


class Listener:
    """Follows events by position and, beside them, deliveries that made none by their number."""

    def __init__(self, ask: Asked, after: int | None, source: str | None, session: str | None) -> None:
        self._ask = ask
        self._given = {} if source is None else {"source": source}
        self._session = session
        self._after: int = self._get("/v1/overview", {})["position"] if after is None else after
        self._delivery = self._newest_delivery()

    def lines(self) -> Iterator[Line]:
        """Without end."""
        while True:
            found = [*self._events(), *self._others()]
            yield from sorted(found, key=lambda line: str(line["recorded_at"]))
            if len(found) < PAGE:
                time.sleep(EVERY)

    def _events(self) -> list[Line]:
        given = self._given | {"after": str(self._after), "limit": str(PAGE)}
        if self._session is not None:
            given["session_id"] = self._session
        events = self._get("/v1/events", given)["data"]
        if events:
            self._after = events[-1]["position"]
        return [event | {"verdict": "new", **self._state(event)} for event in events]

    def _others(self) -> list[Line]:
        """Duplicates, conflicts, rejections since the last look; where more than a page came, the newest."""
        if self._session is not None:
            return []
        before, rows = self._delivery, self._deliveries()
        self._delivery = max([before, *(row["delivery"] for row in rows)])
        return [row for row in rows if row["delivery"] > before]

    def _deliveries(self) -> list[Line]:
        """The newest of each verdict that makes no event: `new` ones would push them out of the page."""
        given = self._given | {"limit": str(PAGE)}
        pages = (self._get("/v1/deliveries", given | {"verdict": verdict}) for verdict in VERDICTS[1:])
        return [row for page in pages for row in page["data"]]

    def _newest_delivery(self) -> int:
        return max((row["delivery"] for row in self._deliveries()), default=0)

    def _state(self, event: Line) -> Line:
        """The present one, unless something came behind the event; nothing where it is not to be had, as of erased."""
        if (event["source"], event["type"]) == ("hookfold", "forwarded"):
            return self._forwarded(event["position"])
        kind = _STREAMS.get((event["stream"] or "").partition("_")[0])
        if kind is None:
            return {}
        path, then = f"/v1/{kind}/{event['stream']}", {"known_at_position": str(event["position"])}
        told = self._told(path, {}) or {}
        if told.get("position") != event["position"]:
            told = self._told(path, then) or {}
        return {name: told.get(name) for name in ("state", "outcome")} if told else {}

    def _forwarded(self, position: int) -> Line:
        """What a handler answered, or why there was no answer; and of which source it is."""
        data = (self._told(f"/v1/events/{position}", {}) or {}).get("data", {})
        return {"forwarded": {name: data.get(name) for name in ("source", "status", "failure")}} if data else {}

    def _told(self, path: str, given: dict[str, str]) -> Any:
        status, body = self._ask(path, given)
        return json.loads(body) if status == 200 else None

    def _get(self, path: str, given: dict[str, str]) -> Any:
        status, body = self._ask(path, given)
        if status != 200:
            raise Failed(json.loads(body)["detail"])
        return json.loads(body)


def _is_wanted(line: Line, types: Sequence[str], verdicts: Sequence[str]) -> bool:
    fits = not types or any(fnmatchcase(line.get("type") or "", one) for one in types)
    return fits and (not verdicts or line["verdict"] in verdicts)


def _shown(line: Line) -> str:
    """One line; where the output is no terminal, click leaves the colours out."""
    verdict = click.style(f"{line['verdict']:9}", fg=_COLOURS[line["verdict"]])
    place = line["position"] if line["position"] is not None else "-"
    return f"{line['recorded_at'][11:23]}  {place!s:>7}  {verdict}  {line['source']}  {_told(line)}"


def _told(line: Line) -> str:
    if line["verdict"] != "new":
        return "  ".join(_plain(str(line[name])) for name in ("reason", "hint") if line.get(name))
    name = next((line[field] for field in _IDS if line.get(field)), "")
    reading = "" if line["reading"] == "ok" else click.style(str(line["reading"]), fg="yellow")
    state = click.style(str(line["state"]), bold=True) if line.get("state") else ""
    outcome = line.get("outcome") or ""
    if forwarded := line.get("forwarded"):
        state, outcome = str(forwarded["failure"] or forwarded["status"]), forwarded["source"]
    who = f"by {own['who']} {own.get('of', '')}" if (own := line.get("told")) else ""
    parts = [
        _plain(line["type"] or ""),
        _plain(name),
        _plain(who.strip()),
        reading,
        f"-> {state}" if state else "",
        outcome,
    ]
    return "  ".join(filter(None, parts))


def _plain(text: str) -> str:
    """A sender may have written anything, such as what a terminal takes for commands."""
    return "".join(one if one.isprintable() else "�" for one in text)
