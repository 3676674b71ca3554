"""The implementations of the commands."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from adapters.audit import CheckpointSigner, KeyChain, Verification, keys_of, verify_log
from adapters.cli import Asked, Commands, Serving
from adapters.config import Settings
from adapters.providers import build, reader
from adapters.sql import (
    Entry,
    Probe,
    Receipt,
    RecordedErasure,
    Rejection,
    Unavailable,
    Verified,
    back_up,
    check_made,
    check_newest,
    faults,
    migrate,
    recorded_erasures,
    revision,
)
from core.proofs.note import Checkpoint, Key
from wiring import appending
from wiring.opening import begin, check_up_to_date, database, key_of, missing_secrets, opened
from wiring.reconciling import reconciling
from wiring.redelivering import redelivering
from wiring.rotation import rotate


def wired(serve: Callable[[Settings, Serving], str | None]) -> Commands:
    """All commands. `serve` is passed in, because it starts processes that run the composition root."""
    return Commands(
        serve=serve,
        migrate=_migrate,
        revision=_revision,
        begin=begin,
        back_up=_back_up,
        faults=_faults,
        key=key_of,
        keys=_keys,
        rotate=rotate,
        signer=_signer,
        keeping=appending.keeping,
        reconciling=reconciling,
        redelivering=redelivering,
        quarantine=appending.quarantine,
        relays=appending.relays,
        replay=appending.replay,
        rereader=appending.rereader,
        verify=_verify,
        erasures=_erasures,
        asking=_asking,
        export=appending.export,
        import_=appending.import_,
    )


def _migrate(url: str) -> None:
    with database(url, make=True) as engine:
        migrate(engine)


def _revision(url: str) -> tuple[str | None, str | None]:
    with database(url) as engine:
        return revision(engine)


def _back_up(url: str, target: Path) -> int:
    with database(url) as engine:
        check_made(engine)
        return back_up(engine, target)


def _faults(url: str, settings: Settings | None) -> list[str]:
    with database(url) as engine:
        found = list(faults(engine))
        if settings is not None and revision(engine)[0] is not None:
            found += missing_secrets(engine, settings)
        return found


@contextmanager
def _signer(settings: Settings) -> Iterator[CheckpointSigner]:
    with opened(settings) as components:
        yield components.signer()


def _verify(
    url: str, settings: Settings | None, key: Key, kept: Sequence[Checkpoint], progress: Callable[[int, int], None]
) -> Verified:
    """Verifies a log without writing or migrating, since the database may be somebody's copy."""
    sources = {} if settings is None else settings.sources
    readers = {name: reader(build(source)) for name, source in sources.items()}
    with database(url) as engine:
        check_newest(engine)
        return verify_log(engine, Verification(key, kept, readers), progress)


def _erasures(url: str, requests: Sequence[str]) -> dict[str, list[RecordedErasure]]:
    with database(url) as engine, engine.connect() as connection:
        return recorded_erasures(connection, requests)


def _keys(url: str, trusted: Key) -> KeyChain:
    with database(url) as engine:
        check_newest(engine)
        return keys_of(engine, trusted)


@contextmanager
def _asking(settings: Settings) -> Iterator[Asked]:
    """The query API in this process, without appends.

    No token is needed to read what the configuration and the database already reveal.
    """
    check_up_to_date(settings.database_url)
    with opened(msgspec.structs.replace(settings, tokens={})) as components:
        client = components.flask(components.door(), _refuse).test_client()

        def ask(path: str, parameters: dict[str, str]) -> tuple[int, str]:
            answer = client.get(path, query_string=parameters)
            return answer.status_code, answer.get_data(as_text=True)

        yield ask


def _refuse(_: Entry | Rejection | Probe) -> Receipt:
    raise Unavailable("this command only reads")
