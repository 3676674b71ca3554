"""A time as an option takes it."""

import click

from adapters.providers import iso
from core.event import Instant


class Moment(click.ParamType[Instant]):
    """An instant as ISO 8601, or a day; without a zone it is UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Instant:
        found = iso(str(value)) or iso(f"{value}T00:00:00Z")
        if found is None:
            self.fail(f"{value!r} is no time: write 2026-11-21 or 2026-11-21T20:48:00Z", param, ctx)
        return found[0]
