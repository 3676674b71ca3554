"""What the tree costs on disk and beside ingest, how long a proof takes, and how fast a whole log is verified."""

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, text

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey, Verification, verify_log
from adapters.sql import Tree, open_engine
from bench.command import Filled, Place, main
from bench.fill import filled
from bench.measure import interleaved, percentile, ratios, say
from bench.results import Figure, rate
from bench.sender import Sender
from bench.servers import BY_DEFAULT, SIGNING_KEY, hookfold
from tests.support.merkle_proofs import includes

BYTES_AT_MOST = 100
PROOF_AT_MOST = 5.0
VERIFIED_AT_LEAST = 20_000
INGEST_KEPT = 0.9
CONNECTIONS = 16
LEAF = 32

_SIGNING = SigningKey(bytes.fromhex(SIGNING_KEY), None)
"""As services sign here: the databases may have been served."""

_SQLITE = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN ('nodes', 'checkpoints')"
_POSTGRESQL = "SELECT pg_total_relation_size('nodes') + pg_total_relation_size('checkpoints')"


def audit(place: Place) -> list[Figure]:
    """Each database on its own, the large log; then what sealing costs a service."""
    of_large = [one for kind in place.databases for one in _of(place, kind, filled(place, kind, place.scale.large))]
    return of_large + [_beside_ingest(place, kind) for kind in place.databases]


def _of(place: Place, kind: str, database: Filled) -> list[Figure]:
    engine = open_engine(database.url)
    signer = CheckpointSigner(Tree(engine), CurrentKey(_SIGNING))
    settings = {"database": kind, "events": database.events}
    signer.checkpoint()
    figures = [
        _size(kind, engine, database, settings),
        _proof(kind, signer, database, place.scale.asked, settings),
        _verified(kind, engine, settings),
    ]
    engine.dispose()
    return figures


def _size(kind: str, engine: Engine, database: Filled, settings: dict[str, Any]) -> Figure:
    with engine.connect() as connection:
        tree = _bytes(kind, connection)
    return Figure(
        name=f"tree {kind}",
        value=tree / database.events + LEAF,
        unit="bytes/event",
        wanted=BYTES_AT_MOST,
        less=True,
        note=f"{LEAF} of them the leaf that stands in the event",
        settings=settings,
    )


def _bytes(kind: str, connection: Connection) -> int:
    return int(connection.execute(text(_SQLITE if kind == "sqlite" else _POSTGRESQL)).scalar_one())


def _proof(kind: str, signer: CheckpointSigner, database: Filled, asked: int, settings: dict[str, Any]) -> Figure:
    """Of positions by chance, each with its root, checked; the first ones are not counted."""
    chance, taken = random.Random(1), []
    for number in range(asked + 20):
        position = chance.randint(1, database.events)
        before = time.perf_counter()
        found = signer.inclusion(position)
        if number >= 20:
            taken.append((time.perf_counter() - before) * 1_000)
        if not includes(position - 1, found.size, found.leaf, found.path, found.root):
            raise AssertionError(f"the proof of {position} does not hold")
    p50, p99 = median(taken), percentile(taken, 0.99)
    return Figure(
        name=f"proof {kind}, p99",
        value=p99,
        unit="ms",
        p50=p50,
        p99=p99,
        wanted=PROOF_AT_MOST,
        less=True,
        settings=settings,
    )


def _verified(kind: str, engine: Engine, settings: dict[str, Any]) -> Figure:
    found = []
    seconds = _timed(lambda: found.append(verify_log(engine, Verification(_SIGNING.key))))
    if found[0].wrong is not None:
        raise AssertionError(found[0].wrong)
    return Figure(
        name=f"verify {kind}",
        value=found[0].size / seconds,
        unit="events/s",
        wanted=VERIFIED_AT_LEAST,
        settings=settings,
    )


def _beside_ingest(place: Place, kind: str) -> Figure:
    """A service as it comes against one that never seals, slice by slice, for as long as checkpoints are apart."""
    scale = place.scale
    say(f"  {kind}, ingest with and without a sealer")
    with ExitStack() as opened:
        senders = {
            name: _sender(place, kind, name, opened, seals=seals) for name, seals in (("seals", True), ("never", False))
        }
        slices = {name: partial(one.closed, CONNECTIONS, 3 * scale.seconds) for name, one in senders.items()}
        for load in slices.values():
            load()  # connections are made, caches filled
        taken = interleaved(2 * scale.rounds, slices)
        if refused := sum(one.refused for one in senders.values()):
            raise AssertionError(f"{refused} requests were refused")
    rates = {name: [result.rate for result in results] for name, results in taken.items()}
    return rate(
        f"seal {kind}, ingest beside it",
        rates["seals"],
        unit="requests/s",
        reference="never seals",
        reference_value=median(rates["never"]),
        ratio=ratios(rates["seals"], rates["never"]),
        wanted=INGEST_KEPT,
        settings={"database": kind, "connections": CONNECTIONS},
    )


def _sender(place: Place, kind: str, name: str, opened: ExitStack, *, seals: bool) -> Sender:
    url = opened.enter_context(place.database(kind, f"audit-{kind}-{name}"))
    folder = place.folder / f"audit-{kind}-{name}-served"
    return Sender(name, opened.enter_context(hookfold(folder, url, BY_DEFAULT, seals=seals)))


def _timed(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


if __name__ == "__main__":
    main({"audit": audit})
