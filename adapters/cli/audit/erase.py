"""`hookfold audit erase` and `retract`: erase personal data, retract events; the log records both."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from adapters.cli.commands import (
    Commands,
    Failed,
    Keeping,
    Wrong,
    config_option,
    configured,
    database_option,
    errors_in_one_line,
    json_option,
    read_settings,
)
from adapters.cli.keeping import by_option, certify, counts, dry_option, keeping, progress, reason_option, words
from adapters.config import Settings
from adapters.sql import OWN, Erasable, Unretractable
from core.ids import PREFIXES, is_id

STREAMS = ("session", "action", "device", "registration")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command()
@config_option
@database_option
@click.option(
    "--session", "sessions", multiple=True, metavar="ID", help="A session's id of ours (ses_…); several times."
)
@click.option("--stream", "streams", multiple=True, metavar="ID", help="Any id of ours: act_…, dev_…, reg_…, ses_….")
@click.option("--user", metavar="USER", help="The provider's own id of a user; - reads it from standard input.")
@click.option("--source", metavar="NAME", help="With --before: what of this source is older.")
@click.option("--before", metavar="TIME", help="ISO 8601 with a zone. Whole streams, of which nothing came since.")
@reason_option
@by_option
@dry_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the certificate goes.")
@json_option
@click.pass_obj
def erase(
    commands: Commands,
    config: Path | None,
    database: str | None,
    sessions: tuple[str, ...],
    streams: tuple[str, ...],
    user: str | None,
    source: str | None,
    before: str | None,
    reason: str,
    by: str | None,
    dry_run: bool,
    yes: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Destroy bodies, headers and names, for ever. States, proofs and idempotency keys stay.

    What else names the same ids (a registration, an unreadable body, a rejected one) goes too. The certificate, signed
    with the log's key, says what was erased, when and why.
    """
    _check_choice(sessions + streams, user, source, before)
    _check_ids("--session", sessions, ("session",))
    _check_ids("--stream", streams, STREAMS)
    if user == "-" and not (yes or dry_run):
        raise Wrong("--user -: the id comes by standard input, where nobody can answer: add --yes, or --dry-run first")
    settings = read_settings(config, database)
    _check_no_measurement(commands, settings, sessions + streams)
    with keeping(commands, settings) as opened:
        found = _found(opened, sessions + streams, user, source, before)
        if not found:
            raise Failed("nothing is there to be erased")
        if dry_run:
            click.echo(json.dumps(counts(found)) if as_json else words(found))
        elif yes or click.confirm(f"Erase {words(found)} for ever?", err=True):
            erasure = opened.keeper.eraser.erase(found, reason, by, progress)
            certificate = certify(opened, erasure, reason, by, output, as_json)
            if as_json:
                click.echo(json.dumps(counts(found) | {"certificate": certificate}))
        else:
            raise Failed("nothing was erased")


@click.command()
@configured()
@click.argument("position", type=click.IntRange(1))
@reason_option
@by_option
@json_option
def retract(commands: Commands, settings: Settings, position: int, reason: str, by: str | None, as_json: bool) -> None:
    """Retract the event at POSITION: it stays in the log, but states are folded without it from now on."""
    with keeping(commands, settings) as opened:
        try:
            at = opened.keeper.retractor.retract(position, reason, by)
        except Unretractable as error:
            raise Failed(f"the event at position {position} cannot be retracted: {error}") from error
    told = json.dumps({"position": position, "retraction": at})
    click.echo(told if as_json else f"retracted, as the event at position {at} tells")


def _check_choice(streams: tuple[str, ...], user: str | None, source: str | None, before: str | None) -> None:
    if (source is None) != (before is None):
        raise Wrong("--source and --before belong together")
    if source == OWN:
        raise Wrong("what Hookfold recorded about itself stays")
    if sum((bool(streams), user is not None, source is not None)) != 1:
        raise Wrong("say one: --session or --stream, --user, or --source with --before")


def _check_no_measurement(commands: Commands, settings: Settings, ids: tuple[str, ...]) -> None:
    """Raises Wrong with the measurement's session: only a whole stream can be erased."""
    for one in ids:
        if is_id(one, "measurement"):
            with errors_in_one_line(), commands.asking(settings) as ask:
                status, body = ask(f"/v1/measurements/{one}", {})
            visit = json.loads(body)["session"] if status == 200 else "ses_…"
            raise Wrong(
                f"{one} is a measurement: erase its visit, with the visit's other measurements: --session {visit}"
            )


def _check_ids(option: str, ids: tuple[str, ...], kinds: Sequence[str]) -> None:
    """Raises Wrong: of a provider's id nothing would be found, which reads as if nothing were there.

    It lets measurements pass: for those, `_check_no_measurement` names the session.
    """
    for one in ids:
        if not any(is_id(one, kind) for kind in (*kinds, "measurement")):
            wanted = ", ".join(f"{PREFIXES[kind]}_…" for kind in kinds)
            raise Wrong(
                f"{option} {one}: this is no id of ours ({wanted}). /v1/sessions?session_id={one} gives ours for the "
                "provider's id of a session; --user takes the provider's id of a user"
            )


def _found(
    opened: Keeping, streams: tuple[str, ...], user: str | None, source: str | None, before: str | None
) -> Erasable:
    eraser = opened.keeper.eraser
    if user is not None:
        return eraser.of_user(sys.stdin.read().strip() if user == "-" else user)
    if source is not None:
        return eraser.before(source, _instant(str(before)))
    return eraser.of_streams(streams)


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Wrong(f"--before: {text} is no time: write 2026-01-31T00:00:00Z") from error
    if moment.tzinfo is None:
        raise Wrong("--before: say the zone too, such as Z for UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)
