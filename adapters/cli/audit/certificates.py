"""Certificates of erasure, held against a log that was verified."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from adapters.audit import KeyChain
from adapters.cli.commands import Failed, Wrong
from adapters.evidence import OpenedCertificate, Span, erased_by, mismatch, opened_certificate, spans_in_words
from adapters.sql import RecordedErasure
from core.words import counted

Erasures = Callable[[str, Sequence[str]], dict[str, list[RecordedErasure]]]
"""(URL of a database, requests) -> what its log records of these erasures."""


class HeldCertificate(NamedTuple):
    """A certificate whose signatures hold, and its file."""

    name: str
    opened: OpenedCertificate


class CheckedCertificate(NamedTuple):
    """What came of it. `wrong`: what the log records otherwise; `erased`: what it records that was erased."""

    held: HeldCertificate
    wrong: str | None
    erased: list[Span]

    def document(self) -> dict[str, object]:
        """For programs."""
        said = self.held.opened.said
        told = {"file": self.held.name, "ok": self.wrong is None, "wrong": self.wrong, "request": said.request}
        return {**told, "positions": said.positions, "erased": self.erased}

    def words(self) -> str:
        """For people, where nothing is wrong."""
        said = self.held.opened.said
        streams, events = counted(said.streams, "stream"), counted(said.events, "event")
        where = "position" if said.events == 1 else "positions"
        at = f" ({where} {spans_in_words(self.erased)})" if self.erased else ""
        tellers = spans_in_words([(position, position) for position in said.positions])
        tell = f"position {tellers} tells" if len(said.positions) == 1 else f"positions {tellers} tell"
        older = "" if said.erased_sha256 else "; it is of an older release and names no events: these are the log's"
        return (
            f"the certificate {self.held.name} fits: {streams} and {events}{at} were erased, and nothing else by this "
            f"erasure; {tell} of it: {said.at}, by {said.who}: {said.reason}{older}"
        )


def held_certificates(names: Sequence[str], chain: KeyChain) -> list[HeldCertificate]:
    """Raises Wrong for a file that cannot be read, Failed where the log's key did not sign it."""
    return [HeldCertificate(name, _opened(name, chain)) for name in names]


def check_certificates(held: Sequence[HeldCertificate], erasures: Erasures, url: str) -> list[CheckedCertificate]:
    """Each against what the log records."""
    recorded = erasures(url, [one.opened.said.request for one in held])
    return [_checked(one, recorded[one.opened.said.request]) for one in held]


def tell_certificates(checked: Sequence[CheckedCertificate], erased: int, as_json: bool) -> None:
    """Raises Failed for the first that does not fit. `erased`: how many events of the log are."""
    for one in checked:
        if one.wrong is not None:
            raise Failed(f"the certificate {one.held.name} does not fit: {one.wrong}")
        if not as_json:
            click.echo(one.words())
    if checked and not as_json:
        named = sum(one.held.opened.said.events for one in checked)
        which = "this certificate" if len(checked) == 1 else "these certificates"
        click.echo(
            f"{which} name{'s' * (len(checked) == 1)} {named} of the {counted(erased, 'erased event')} of this log"
        )


def _checked(held: HeldCertificate, recorded: Sequence[RecordedErasure]) -> CheckedCertificate:
    return CheckedCertificate(held, mismatch(held.opened.said, recorded), erased_by(recorded))


def _opened(name: str, chain: KeyChain) -> OpenedCertificate:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"--certificate: {name} cannot be read") from error
    try:
        return opened_certificate(text, chain)
    except ValueError as error:
        raise Failed(f"{name} is no certificate of an erasure in this log: {error}") from error
