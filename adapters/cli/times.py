"""Times and durations as options take them."""

import click

from adapters.config import duration_of
from adapters.providers import iso
from core.event import SECOND, Instant


class Moment(click.ParamType[Instant]):
    """An instant as ISO 8601, or a day; without a zone it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        found = iso(str(value)) or iso(f"{value}T00:00:00Z")
        if found is None:
            self.fail(f"{value!r} is no time: write 2026-11-21 or 2026-11-21T20:48:00Z", param, ctx)
        return found[0]


class Seconds(click.ParamType[int]):
    """A duration as the configuration takes it, or a number of seconds; as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        found = duration_of(f"{text}s" if text.isdigit() else text)
        if found is None:
            self.fail(f"{text!r} is no duration: write 10m, 12h or 2d, or a number of seconds", param, ctx)
        return found // SECOND
