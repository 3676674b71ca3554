"""The spools of a service: a folder for each source of a log.

`log` is the name of the log's spools. Those of another log are never drained, even in the same `spool_folder`.
"""

from collections.abc import Mapping
from pathlib import Path

import structlog

from adapters.config import ConfigError, Settings
from adapters.http import LogThrottle, SpoolState
from adapters.server import DeliverySpool
from core.ids import Ids

_logger = structlog.get_logger()


def spools(settings: Settings, ids: Ids, log: str) -> dict[str, DeliverySpool]:
    """The spools of the sources that spool, by source."""
    forwards = {name: one.forward for name, one in settings.sources.items()}
    return {
        name: DeliverySpool(name, settings.service.spool_folder / log / name, one.spool, ids.subkey("spool"))
        for name, one in forwards.items()
        if one is not None and one.spool is not None
    }


def others(settings: Settings, ids: Ids, log: str) -> list[DeliverySpool]:
    """The spools of the other sources, which may have spooled before."""
    spooling, folder = spools(settings, ids, log), settings.service.spool_folder / log
    names = (name for name in settings.sources if name not in spooling)
    return [DeliverySpool(name, folder / name, 0, ids.subkey("spool")) for name in names]


def drained(settings: Settings, ids: Ids, log: str) -> list[DeliverySpool]:
    """The spools to drain: those in use, and those of other sources that are not empty."""
    return [*spools(settings, ids, log).values(), *(one for one in others(settings, ids, log) if _may_hold(one))]


class SpoolStates:
    """The states of the spools, for monitoring. Those of sources that no longer spool only if something is left."""

    def __init__(self, settings: Settings, ids: Ids, log: str) -> None:
        self._spooling, self._others = spools(settings, ids, log).values(), others(settings, ids, log)
        self._faults = LogThrottle()

    def __call__(self) -> list[SpoolState]:
        """The states. Logs a folder that cannot be read."""
        told = [state for one in self._spooling if (state := self._state(one))]
        left = [state for one in self._others if (state := self._state(one)) and (state.size or state.aside)]
        return [*told, *left]

    def _state(self, spool: DeliverySpool) -> SpoolState | None:
        try:
            return spool.state()
        except OSError as error:
            self._tell_fault(spool, error)
            return None

    def _tell_fault(self, spool: DeliverySpool, error: OSError) -> None:
        if count := self._faults.count():
            mend = f"let the service read in {spool.folder}: what waits there is not known"
            _logger.error("spool_unusable", source=spool.source, reason=error.strerror, count=count, mend=mend)


def warn_of_left(settings: Settings, ids: Ids, log: str) -> None:
    """Warns of spools that nobody drains."""
    if left := [one.source for one in drained(settings, ids, log)]:
        mend = "these deliveries are not in the log yet, and only `hookfold serve` takes them in: run it"
        _logger.warning("spool_left", sources=left, folder=str(settings.service.spool_folder), mend=mend)


def prepare(settings: Settings, ids: Ids, log: str) -> None:
    """Creates the folders and warns of foreign spools. Raises ConfigError if a folder cannot be used."""
    for name, spool in spools(settings, ids, log).items():
        try:
            spool.prepare()
        except OSError as error:
            mend = f"{spool.folder} cannot be used ({error.strerror}): let the service write there, or name another"
            key = f"sources.{name}.on_store_failure"
            raise ConfigError(settings.path, key, f"{mend} with service.spool_folder") from error
    folder = settings.service.spool_folder
    try:
        _warn_of_strangers(folder, log, settings.sources)
    except OSError as error:
        mend = "let the service read there: whether it holds deliveries of other sources or logs is not known"
        _logger.warning("spool_unusable", folder=str(folder), reason=error.strerror, mend=mend)


def _warn_of_strangers(folder: Path, log: str, sources: Mapping[str, object]) -> None:
    """Raises OSError."""
    own = folder / log
    for left in sorted({one.parent for one in folder.glob("*/*/*.spool")}):
        if left.parent != own:
            mend = f"only a service of that log takes them in: serve it; if that log is gone, move the folder to {own}"
            _logger.warning("spool_of_another_log", source=left.name, folder=str(left), mend=mend)
        elif left.name not in sources:
            mend = (
                "these deliveries are in no log: configure the source again to have them taken in, or remove the folder"
            )
            _logger.warning("spool_of_no_source", source=left.name, folder=str(left), mend=mend)


def _may_hold(spool: DeliverySpool) -> bool:
    """Whether a spool may have content. True if it cannot be examined: the draining reports that and retries."""
    try:
        return not spool.is_empty()
    except OSError:
        return True
