"""Where deliveries wait for a database that takes none: files of this machine, one folder for each source."""

from collections.abc import Sequence

import structlog

from adapters.config import ConfigError, Settings
from adapters.http import SpoolState
from adapters.server import DeliverySpool
from core.ids import Ids


def spools(settings: Settings, ids: Ids) -> dict[str, DeliverySpool]:
    """Those of the sources that spool, by name."""
    forwards = {name: one.forward for name, one in settings.sources.items()}
    return {
        name: DeliverySpool(name, settings.service.spool_folder / name, one.spool, ids.subkey("spool"))
        for name, one in forwards.items()
        if one is not None and one.spool is not None
    }


def drained(settings: Settings, ids: Ids) -> list[DeliverySpool]:
    """These, and those of configured sources that spooled once and left something."""
    spooling = spools(settings, ids)
    others = [name for name in settings.sources if name not in spooling]
    left = (DeliverySpool(name, settings.service.spool_folder / name, 0, ids.subkey("spool")) for name in others)
    return [*spooling.values(), *(one for one in left if not one.is_empty())]


def told(spooling: Sequence[DeliverySpool]) -> list[SpoolState]:
    """What waits in each now."""
    return [one.state() for one in spooling]


def prepare(settings: Settings, ids: Ids) -> None:
    """Makes the folders. Raises ConfigError where nothing can be kept in one; tells of what nobody will take in."""
    for name, spool in spools(settings, ids).items():
        try:
            spool.prepare()
        except OSError as error:
            mend = f"{spool.folder} cannot be used ({error.strerror}): let the service write there, or name another"
            key = f"sources.{name}.on_store_failure"
            raise ConfigError(settings.path, key, f"{mend} with service.spool_folder") from error
    folder = settings.service.spool_folder
    for left in sorted(folder.iterdir()) if folder.is_dir() else ():
        if left.name not in settings.sources and any(left.glob("*.spool")):
            mend = (
                "these deliveries are in no log: configure the source again to have them taken in, or remove the folder"
            )
            structlog.get_logger().warning("spool_of_no_source", source=left.name, folder=str(left), mend=mend)
