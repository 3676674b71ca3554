"""When a source last sent something, and whether that is too long ago."""

from adapters.http.framework.api import Api
from adapters.http.presenters import shapes
from core.event import SECOND, Instant
from core.instants import seconds, text_of
from core.views.completeness import SOURCE_SILENT_AFTER


def health_of(
    api: Api, name: str, position: int, now: Instant, silent_after: Instant | None = None
) -> shapes.SourceHealth:
    """A source as of a position of the log. One that never sent anything is silent too.

    `silent_after`: where it is asked for; else what the source is configured with.
    """
    last, received_at, occurred_at = api.reads.last_of(name, position) or (None, None, None)
    configured = api.sources.get(name)
    limit = silent_after or (configured.silent_after if configured else SOURCE_SILENT_AFTER)
    silent = None if received_at is None else now - received_at
    return shapes.SourceHealth(
        source=str(name),
        provider=api.provider_of(name),
        position=last,
        last_received_at=text_of(received_at),
        delay_s=None if received_at is None or occurred_at is None else seconds(received_at - occurred_at),
        derived={
            "silent": silent is None or silent > limit,
            "silent_for_s": seconds(silent),
            "silent_after_s": limit / SECOND,
        },
    )
