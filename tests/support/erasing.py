"""A log whose bodies can be erased and whose events can be retracted, as the command line would do it."""

from adapters.sql.erasure.erase import Eraser
from adapters.sql.erasure.retract import Retractor
from adapters.sql.log.own_events import Recorder
from adapters.sql.projections.invalidation import Invalidator
from tests.support.logs import IDS, NOON, Bench


class Erasing(Bench):
    """A bench with an eraser and a retractor over its log."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.recorder = Recorder(self.append, lambda: NOON, "command line")
        afresh = Invalidator(self.log._dialect, self.code)
        self.eraser = Eraser(self.engine, self.log, self.recorder, afresh)
        self.retractor = Retractor(self.log, self.recorder, afresh)

    def stream(self, kind: str, source: str, name: str) -> str:
        """Our id."""
        return IDS.of(kind, source, name)

    def erase(self, *streams: str) -> None:
        """Erases these streams, and whatever names them."""
        self.eraser.erase(self.eraser.of_streams(streams), "asked for")
