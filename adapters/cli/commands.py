"""The operations that the composition root supplies to the command line; options and errors that commands share."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import click

from adapters import config as configuration
from adapters.archive import Exporter, ExportProgress
from adapters.audit import CheckpointSigner, KeyChain
from adapters.config import ConfigError, Settings
from adapters.evidence import Evidence
from adapters.server import Reconciled, Redeliveries
from adapters.sql import (
    ImportOutcome,
    Keeper,
    Quarantine,
    RecordedErasure,
    RelayDesk,
    Replay,
    Rereader,
    Unavailable,
    Verified,
)
from core.event import Instant
from core.proofs.note import Checkpoint, Key

Progress = Callable[[int, int], None]
"""(done, total)"""


@dataclass(frozen=True)
class Serving:
    """How to serve: the address to listen on, and how many processes share one port and one database.

    `read_only`: questions are answered, and nothing is written.
    """

    host: str = "127.0.0.1"
    processes: int = 1
    read_only: bool = False


@dataclass(frozen=True)
class Keeping:
    """The services that erase, retract, sign and build bundles, over one database."""

    settings: Settings
    keeper: Keeper
    signer: CheckpointSigner
    evidence: Evidence
    clock: Callable[[], Instant]


class Rotated(NamedTuple):
    """A rotated signing key: the position of the event that records it, and the new key's first checkpoint."""

    position: int
    before: Key
    key: Key
    checkpoint: str


Reconcile = Callable[[str, int | None, Callable[[Reconciled], None]], Reconciled]
"""(a source with an API, questions at most, progress) -> what was learnt."""

Asked = Callable[[str, dict[str, str]], tuple[int, str]]
"""(a path of the query API, its parameters) -> (status, body): the same answer as over HTTP."""


def not_wired(*_given: object) -> NoReturn:
    """Stands in for a command that is not wired. Raises Wrong."""
    raise Wrong("this command is not part of this command line")


@dataclass(frozen=True)
class Commands:
    """The operations behind the commands, supplied by the composition root.

    Each field that opens something returns a context manager. Operations raise Unavailable (or OSError) if the database
    cannot be used. A URL is that of a database.
    """

    serve: Callable[[Settings, Serving], str | None]
    """Returns when the service was stopped, with the fault of a service that failed, or None. Raises ConfigError."""
    migrate: Callable[[str], None]
    """Upgrades a database to the newest revision."""
    revision: Callable[[str], tuple[str | None, str | None]]
    """The revision of a database and the newest one."""
    begin: Callable[[Settings], None] = not_wired
    """Creates an empty log, even if the secrets of an earlier one exist."""
    back_up: Callable[[str, Path], int] = not_wired
    """Copies an SQLite database to a file; returns its size in bytes."""
    faults: Callable[[str, Settings | None], list[str]] = not_wired
    """The faults of a database and, with settings, of the keys that these name."""
    key: Callable[[Settings], Key] = not_wired
    """The log's verifier key."""
    keys: Callable[[str, Key], KeyChain] = not_wired
    """The keys of a database's log to which a trusted one leads."""
    rotate: Callable[[Settings, str | None], Rotated] = not_wired
    """Replaces the signing key by the one that a reference names, or by a new one."""
    signer: Callable[[Settings], AbstractContextManager[CheckpointSigner]] = not_wired
    """Opens what signs checkpoints and proves."""
    keeping: Callable[[Settings], AbstractContextManager[Keeping]] = not_wired
    """Opens the services that erase, retract and build bundles."""
    reconciling: Callable[[Settings], AbstractContextManager[Reconcile]] = not_wired
    """Opens a `Reconcile`, which asks providers for the status of actions."""
    redelivering: Callable[[Settings], AbstractContextManager[Redeliveries]] = not_wired
    """Opens what sends a stored range to a handler again."""
    quarantine: Callable[[Settings], AbstractContextManager[Quarantine]] = not_wired
    """Opens what verifies stored rejections again."""
    relays: Callable[[Settings], AbstractContextManager[RelayDesk]] = not_wired
    """Opens what pauses deliveries to handlers, and retries or drops dead ones."""
    replay: Callable[[Settings], AbstractContextManager[Replay]] = not_wired
    """Opens what rebuilds projections."""
    rereader: Callable[[Settings], AbstractContextManager[Rereader]] = not_wired
    """Opens what parses unreadable bodies again."""
    verify: Callable[[str, Settings | None, Key, Sequence[Checkpoint], Progress], Verified] = not_wired
    """Verifies a log with its key and checkpoints kept elsewhere. Writes nothing."""
    erasures: Callable[[str, Sequence[str]], dict[str, list[RecordedErasure]]] = not_wired
    """The erasures that a log records, by their requests."""
    asking: Callable[[Settings], AbstractContextManager[Asked]] = not_wired
    """Opens the query API over a database. A command that only reads needs no field of its own."""
    export: Callable[[Settings], AbstractContextManager[Exporter]] = not_wired
    """Opens what writes the log to files."""
    import_: Callable[[Settings, BinaryIO, bool, ExportProgress, ImportOutcome], None] = not_wired
    """Imports a file, with new positions if the flag is set. The outcome counts what is committed, even if it raises
    adapters.sql.Unimportable.
    """


class Wrong(click.ClickException):
    """An invalid option or setting; exit code 2."""

    exit_code = 2


class Failed(click.ClickException):
    """The command ran and found a problem, or failed; exit code 1."""

    exit_code = 1


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Converts exceptions to errors of one line: Wrong for the configuration, Failed for the database.

    A broken pipe is no error: click ends the command silently.
    """
    try:
        yield
    except ConfigError as error:
        raise Wrong(str(error)) from error
    except BrokenPipeError:
        raise
    except (Unavailable, OSError) as error:
        raise Failed(f"the database cannot be used: {error}") from error


config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration.  [default: $HOOKFOLD_CONFIG, or hookfold.toml]",
)
database_option = click.option(
    "--database",
    metavar="URL",
    help="sqlite:///FILE or postgresql://…  [default: $HOOKFOLD_DATABASE_URL, or sqlite:///var/hookfold.db]",
)
port_option = click.option("--port", type=click.IntRange(0, 65535), help="[default: $HOOKFOLD_PORT, or 8400]")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def read_settings(
    config: Path | None = None, database: str | None = None, port: int | None = None, *, senders: bool = False
) -> Settings:
    """Reads the settings; options take precedence over the environment. Raises Wrong, which names file, key and fix.

    `senders`: also the secrets of sources and tokens, which are needed only to receive or sign deliveries.
    """
    options = {"HOOKFOLD_CONFIG": config, "HOOKFOLD_DATABASE_URL": database, "HOOKFOLD_PORT": port}
    given = {name: str(value) for name, value in options.items() if value is not None}
    try:
        return configuration.load(None, os.environ | given, senders=senders)
    except ConfigError as error:
        raise Wrong(str(error)) from error


def configured(*, senders: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command with --config and --database. It is called with `Commands`, settings and its own options.

    `senders` is that of `read_settings`.
    """

    def over(command: Callable[..., None]) -> Callable[..., None]:
        @config_option
        @database_option
        @click.pass_obj
        @wraps(command)
        def called(commands: Commands, /, config: Path | None, database: str | None, **options: Any) -> None:
            command(commands, read_settings(config, database, senders=senders), **options)

        return called

    return over
