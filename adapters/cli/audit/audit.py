"""`hookfold audit`: verifies the log, signs checkpoints and issues proofs."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from adapters.audit import CheckpointSigner, Contradiction, Empty, Included, KeyChain, Uncovered, Unsent, send
from adapters.cli.audit.certificates import CheckedCertificate, check_certificates, held_certificates, tell_certificates
from adapters.cli.audit.checkpoints import kept_checkpoint
from adapters.cli.audit.erase import erase, retract
from adapters.cli.audit.evidence import bundle
from adapters.cli.audit.retain import retain
from adapters.cli.audit.rotate import rotate_key
from adapters.cli.audit.timeline import completeness, timeline
from adapters.cli.commands import (
    Commands,
    Failed,
    Wrong,
    config_option,
    configured,
    database_option,
    errors_in_one_line,
    json_option,
    read_settings,
)
from adapters.cli.output import writing
from adapters.cli.pace import Pace
from adapters.config import Settings
from adapters.sql import MissingEvent, Verified
from core.proofs.note import Key, to_base64
from core.words import counted


@click.group()
def audit() -> None:
    """Verify the log, sign it, and prove what is in it."""


@audit.command()
@config_option
@database_option
@click.option("--key", "vkey", metavar="VKEY", help="The log's verifier key, for who has no configuration of it.")
@click.option(
    "--against",
    multiple=True,
    metavar="FILE",
    help="A checkpoint that was kept elsewhere: the log has to be an extension of it. Also several times; - reads it.",
)
@click.option(
    "--certificate",
    "certificates",
    multiple=True,
    metavar="FILE",
    help="A certificate of an erasure: what it names was erased, and nothing else by that erasure. Also several times.",
)
@json_option
@click.pass_obj
def verify(
    commands: Commands,
    config: Path | None,
    database: str | None,
    vkey: str | None,
    against: tuple[str, ...],
    certificates: tuple[str, ...],
    as_json: bool,
) -> None:
    """Recompute everything from payload to checkpoint; exit code 1 names the first position that is wrong.

    Nothing is written. With --key and --database no configuration is needed.
    """
    alone = vkey is not None and database is not None and config is None
    found = None if alone else read_settings(config, database)
    with errors_in_one_line():
        key = commands.key(found) if vkey is None and found is not None else _key(vkey or "")
    url, started = found.database_url if found else str(database), time.monotonic()
    with errors_in_one_line():
        chain = commands.keys(url, key)
    kept, held = [kept_checkpoint(name, chain) for name in against], held_certificates(certificates, chain)
    with errors_in_one_line():
        covered = [*kept, *(one.opened.checkpoint for one in held)]
        verified = commands.verify(url, found, key, covered, AuditProgress())
        checked = check_certificates(held, commands.erasures, url) if held and verified.wrong is None else []
    if verified.wrong is None and not as_json:
        for name, one in zip(against, kept, strict=True):
            click.echo(f"the checkpoint {name} over {counted(one.size, 'position')} fits")
    _tell(verified, checked, time.monotonic() - started, as_json)


@audit.command()
@configured()
@click.option(
    "--to",
    multiple=True,
    default=("-",),
    show_default=True,
    help="A file, a URL (POST), '| command', or - for here. Also several times.",
)
@json_option
def checkpoint(commands: Commands, settings: Settings, to: tuple[str, ...], as_json: bool) -> None:
    """Sign a checkpoint of the log now, and send it to where the log's operator cannot change it.

    With --json, standard output has a document with the checkpoint and its fields; other places get the checkpoint.
    """
    with _signer(commands, settings) as signer:
        note, chain = signer.latest(), signer.chain()
    for place in to:
        if place == "-" and as_json:
            continue
        try:
            sys.stdout.write(note) if place == "-" else send(note, place)
        except Unsent as error:
            raise Failed(str(error)) from error
    if as_json:
        click.echo(json.dumps(_signed(note, chain)))


@audit.command()
@configured()
@click.argument("position", type=click.IntRange(1))
@click.option("--size", type=click.IntRange(1), help="In the checkpoint of just this size.  [default: the newest one]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write: *.tlog-proof")
@json_option
def proof(
    commands: Commands, settings: Settings, position: int, size: int | None, output: Path | None, as_json: bool
) -> None:
    """Prove that the event at POSITION is in the log: a file for any verifier (c2sp.org/tlog-proof).

    With --json the proof is printed in the format of /v1/audit/proof.
    """
    with _signer(commands, settings) as signer:
        found = signer.inclusion(position, size)
    file = found.file()
    if file is None:
        raise Failed(f"no checkpoint of size {size} was made: leave --size out")
    if output is not None:
        with writing("proof"):
            output.write_text(file, encoding="utf-8")
    if as_json:
        click.echo(json.dumps(_proven(found)))
    elif output is None:
        sys.stdout.write(file)


@audit.command()
@config_option
@json_option
@click.pass_obj
def key(commands: Commands, config: Path | None, as_json: bool) -> None:
    """Print the log's verifier key. Give it to who verifies, by another way than the log itself."""
    with errors_in_one_line():
        found = commands.key(read_settings(config))
    told = {"name": found.name, "id": found.id.hex(), "key": str(found)}
    click.echo(json.dumps(told) if as_json else str(found))


for command in (erase, retain, retract, rotate_key, bundle, timeline, completeness):
    audit.add_command(command)


class AuditProgress:
    """Prints the progress of a verification to standard error every two seconds."""

    def __init__(self) -> None:
        self._pace = Pace()

    def __call__(self, done: int, size: int) -> None:
        if self._pace.due():
            click.echo(f"{done} of {counted(size, 'position')}, {done / self._pace.seconds:.0f} a second", err=True)


@contextmanager
def _signer(commands: Commands, settings: Settings) -> Iterator[CheckpointSigner]:
    try:
        with errors_in_one_line(), commands.signer(settings) as signer:
            yield signer
    except (Contradiction, Empty, MissingEvent, Uncovered, ValueError) as error:
        raise Failed(str(error)) from error


def _key(text: str) -> Key:
    try:
        return Key.parse(text)
    except ValueError as error:
        raise Wrong(f"--key: {error}") from error


def _signed(note: str, chain: KeyChain) -> dict[str, object]:
    said = chain.opened(note)
    return {"origin": said.origin, "size": said.size, "root": to_base64(said.root), "checkpoint": note}


def _proven(found: Included) -> dict[str, object]:
    """The proof in the format of /v1/audit/proof."""
    place = {"kind": "inclusion", "position": found.position, "index": found.position - 1, "size": found.size}
    hashes = {"leaf": to_base64(found.leaf), "path": [*map(to_base64, found.path)], "root": to_base64(found.root)}
    return {**place, **hashes, "checkpoint": found.checkpoint}


def _tell(verified: Verified, checked: Sequence[CheckedCertificate], seconds: float, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_document(verified, checked, seconds)))
    wrong = verified.wrong
    if wrong is None:
        if not as_json:
            click.echo(_summary(verified, seconds))
        tell_certificates(checked, verified.erased, as_json)
        return
    if wrong.end:
        missing = counted(wrong.until - wrong.position + 1, "event is missing", "events are missing")
        raise Failed(f"{missing} at the end, and the rest is whole: {wrong.why} ({wrong.position - 1} are there)")
    where = f"position {wrong.position}"
    if wrong.until != wrong.position:
        where = f"one of the positions {wrong.position} to {wrong.until}"
    raise Failed(f"wrong at {where} ({wrong.what}): {wrong.why}")


def _summary(verified: Verified, seconds: float) -> str:
    rest = "".join(
        f"; {count} {what}"
        for count, what in (
            (verified.erased, "of them erased, with their place in the tree as it was"),
            (verified.unchecked, "unknown types of sources that are no longer configured were not compared"),
        )
        if count
    )
    return (
        f"{counted(verified.size, 'event is as it was', 'events are as they were')} recorded{rest}\n"
        f"{counted(verified.checkpoints, 'checkpoint')} and {counted(verified.nodes, 'node')} fit, "
        f"root {to_base64(verified.root)}\n"
        f"{verified.size / max(seconds, 1e-6):.0f} events a second"
    )


def _document(verified: Verified, checked: Sequence[CheckedCertificate], seconds: float) -> dict[str, object]:
    wrong = verified.wrong
    told = None if wrong is None else {field: getattr(wrong, field) for field in wrong.__struct_fields__}
    counts = {name: getattr(verified, name) for name in ("size", "checkpoints", "nodes", "erased", "unchecked")}
    fits = wrong is None and all(one.wrong is None for one in checked)
    more = {"root": to_base64(verified.root), "seconds": seconds}
    return {"ok": fits, "first_wrong": told, **counts, **more, "certificates": [one.document() for one in checked]}
