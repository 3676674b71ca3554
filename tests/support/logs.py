"""A log over a database of a test, with two sources, and deliveries to put into it."""

import json
from collections.abc import Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any

from adapters.providers import build, reader
from adapters.sql import Code, Entry, Log, Receipt, Rejection, Source, open_engine
from core.folding import fold
from core.ids import Ids

SECOND = 1_000_000
NOON = 1_689_684_000 * SECOND
IDS = Ids(b"a secret for tests only, 32 byte")


class Bench:
    """A database with a writer of its own: two of them on one URL are two processes."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        ticks = count(NOON, 1_000)
        self.sources = {name: _provider(name) for name in ("clinic", "captions", "energy")}
        self.views = {
            name: Source(provider.name, provider.machine_of, reader(provider), fold.Settings())
            for name, provider in self.sources.items()
        }
        self.code = Code(IDS, self.views)
        self.log = Log(self.engine, self.code, lambda: next(ticks))

    def append(self, entry: Entry) -> Receipt:
        """Appends one entry alone."""
        return self.log.append([entry])[0]

    def close(self) -> None:
        self.log.close()
        self.engine.dispose()

    def entry(self, source: str, document: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> Entry:
        """An authentic delivery of a document."""
        provider, body = self.sources[source], json.dumps(document).encode()
        reading, given = provider.read(body), list(headers)
        by = "env:SECRET" if provider.signed else None
        return Entry(
            source, NOON, given, body, by, provider.identity(given, body, reading), reading, provider.keyed_by_body
        )

    def rows(self, sql: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.exec_driver_sql(sql))


def wms(
    session: str, sequence: int, event: str = "WMS_LOADED", at: int | None = None, **payload: Any
) -> dict[str, Any]:
    """A WMS document."""
    timestamp = 1_689_684_000 + (sequence if at is None else at)
    return {"timestamp": timestamp, "sessionId": session, "sequence": sequence, "event": event, "payload": payload}


def rejection(source: str = "clinic") -> Rejection:
    """A delivery that stays outside."""
    return Rejection(source, NOON, [], b"", 0, 401, "signature_missing")


def _provider(name: str) -> Any:
    secret = SimpleNamespace(ref="env:SECRET", value="whsec_" + "c2VjcmV0" * 4)
    kinds = {"clinic": "wms", "captions": "mentraos", "energy": "amps"}
    return build(
        SimpleNamespace(
            name=name, provider=kinds[name], secrets=[secret], node_ascii=False, event_type=None, package_name=None
        )
    )
