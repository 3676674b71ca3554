"""Tells on standard error how far long work is, and the first refusals in full."""

import click

from adapters.cli.pace import Pace
from adapters.simulator import Answer

REFUSALS = 3
"""So many are shown; the others are counted."""


class ProgressPrinter:
    """One line every two seconds."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._sent = 0
        self._refused = 0

    def tell(self, answer: Answer) -> None:
        self._sent += 1
        if answer.status >= 400:
            self._refuse(answer)
        if self._pace.due():
            click.echo(f"{self._sent} sent, {self._sent / self._pace.seconds:.0f} a second", err=True)

    def _refuse(self, answer: Answer) -> None:
        self._refused += 1
        if self._refused <= REFUSALS:
            click.echo(f"{answer.status}: {answer.text.strip()[:200]}", err=True)
