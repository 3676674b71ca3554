"""Prints the progress of a replay to standard error: one updated line on a terminal, else a line every two seconds."""

import sys
import time

import click

from adapters.cli.pace import EVERY
from adapters.sql import FoldFailure, ReplayProgress
from core.words import counted

OFTEN = 0.2
"""Seconds between two updates of the line on a terminal."""


class Meter:
    """Prints the progress of a replay. Each failure is printed at once, on its own line. `failed` counts them."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = 0.0
        self._latest: ReplayProgress | None = None
        self._done: dict[str, int] = {}
        self._started: dict[str, tuple[float, int]] = {}
        self.failed = 0

    @property
    def streams(self) -> int:
        """The number of streams of all machines so far."""
        return sum(self._done.values())

    def tell(self, news: ReplayProgress | FoldFailure) -> None:
        """Prints progress, if a line is due, or a failure."""
        if isinstance(news, FoldFailure):
            self.failed += 1
            self._line(f"{news.source} {news.stream}: cannot be folded: {news.error}")
            return
        now = time.monotonic()
        self._started.setdefault(news.version, (now, news.streams))
        self._done[news.version], self._latest = news.streams, news
        if now - self._told >= (OFTEN if self._terminal else EVERY) or news.streams == news.total:
            self._told = now
            self._show(news, now)

    def end(self) -> None:
        """Ends the updated line with a newline."""
        if self._terminal and self._latest is not None:
            click.echo(err=True)

    def _show(self, news: ReplayProgress, now: float) -> None:
        started, first = self._started[news.version]
        rate = (news.streams - first) / max(now - started, 1e-6)
        text = f"{news.machine}: {news.streams} of {counted(news.total, 'stream')}, {counted(news.events, 'event')}"
        if rate and news.streams > first:
            text += f", {rate:.0f} streams/s, {(news.total - news.streams) / rate:.0f} s left"
        if self._terminal:
            click.echo(f"\r\x1b[2K{text}", err=True, nl=news.streams == news.total)
        else:
            click.echo(text, err=True)

    def _line(self, text: str) -> None:
        click.echo(f"\r\x1b[2K{text}" if self._terminal else text, err=True)
