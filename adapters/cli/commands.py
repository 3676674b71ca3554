"""What the command line is given by the composition root, and how the commands get at it."""

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
"""(done, in all)"""


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
    """What erases, retracts, signs and makes bundles, over one database."""

    settings: Settings
    keeper: Keeper
    signer: CheckpointSigner
    evidence: Evidence
    clock: Callable[[], Instant]


class Rotated(NamedTuple):
    """A signing key in the place of another one: the event that tells of it, and the first checkpoint it signed."""

    position: int
    before: Key
    key: Key
    checkpoint: str


Reconcile = Callable[[str, int | None, Callable[[Reconciled], None]], Reconciled]
"""(a source with an API, questions at most, progress) -> what was learnt."""

Asked = Callable[[str, dict[str, str]], tuple[int, str]]
"""(a path of the query API, its parameters) -> (status, body): the same answer as over HTTP."""


def not_wired(*_given: object) -> NoReturn:
    """A command of a line that was put together without it."""
    raise Wrong("this command is not part of this command line")


@dataclass(frozen=True)
class Commands:
    """What the commands do, apart from reading options and printing.

    `serve` returns when the service was stopped, or what of it is broken.
    The environment tells the same as the settings.
    `migrate` brings a database (a URL) to the newest revision;
    `revision` gives its revision and the newest one. Each raises Unavailable (or OSError) where the database cannot be
    used, and `serve` raises ConfigError where settings and database do not belong together.
    `back_up` copies an SQLite database (a URL) to a file and gives its size; `faults` tells what is wrong with one,
    also with the keys that the settings name for it.
    `begin` makes an empty log, though the secrets of another one are there.
    `reconciling` opens what asks providers how their actions are, for a block.
    `redelivering` opens what sends a stored range to a handler again, for a block.
    `quarantine` opens what verifies kept rejections again, for a block.
    `relays` opens what pauses deliveries to handlers and decides about dead ones, for a block.
    `replay` opens what rebuilds projections, for a block, `rereader` what reads again what could not be read.
    `key` gives the log's verifier key, `keys` those of a database (a URL) that a trusted one leads to; `rotate` has the
    key that a reference names sign from now on, else a new one; `signer` opens who signs and proves, for a block;
    `verify` verifies the log of a database (URL, settings or None, key, checkpoints kept elsewhere, progress) and
    writes nothing; `erasures` gives what the log of a database (a URL) records of erasures, by their requests.
    `asking` opens the query API over a database, for a block. A command that only reads uses this, and needs no field
    of its own.
    `export` opens what writes the log to files, for a block; `import_` takes a file over (with new positions, where
    told so) and counts in the outcome what is committed, also when it raises adapters.sql.Unimportable.
    """

    serve: Callable[[Settings, Serving], str | None]
    migrate: Callable[[str], None]
    revision: Callable[[str], tuple[str | None, str | None]]
    begin: Callable[[Settings], None] = not_wired
    back_up: Callable[[str, Path], int] = not_wired
    faults: Callable[[str, Settings | None], list[str]] = not_wired
    key: Callable[[Settings], Key] = not_wired
    keys: Callable[[str, Key], KeyChain] = not_wired
    rotate: Callable[[Settings, str | None], Rotated] = not_wired
    signer: Callable[[Settings], AbstractContextManager[CheckpointSigner]] = not_wired
    keeping: Callable[[Settings], AbstractContextManager[Keeping]] = not_wired
    reconciling: Callable[[Settings], AbstractContextManager[Reconcile]] = not_wired
    redelivering: Callable[[Settings], AbstractContextManager[Redeliveries]] = not_wired
    quarantine: Callable[[Settings], AbstractContextManager[Quarantine]] = not_wired
    relays: Callable[[Settings], AbstractContextManager[RelayDesk]] = not_wired
    replay: Callable[[Settings], AbstractContextManager[Replay]] = not_wired
    rereader: Callable[[Settings], AbstractContextManager[Rereader]] = not_wired
    verify: Callable[[str, Settings | None, Key, Sequence[Checkpoint], Progress], Verified] = not_wired
    erasures: Callable[[str, Sequence[str]], dict[str, list[RecordedErasure]]] = not_wired
    asking: Callable[[Settings], AbstractContextManager[Asked]] = not_wired
    export: Callable[[Settings], AbstractContextManager[Exporter]] = not_wired
    import_: Callable[[Settings, BinaryIO, bool, ExportProgress, ImportOutcome], None] = not_wired


class Wrong(click.ClickException):
    """A setting or an option that stops the command: exit code 2."""

    exit_code = 2


class Failed(click.ClickException):
    """The command ran and found or met what should not be: exit code 1."""

    exit_code = 1


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """What the composition root raises, as one line: Wrong for the configuration, Failed for the database.

    A reader of our output who has read enough is nobody's fault: click ends the command without a word.
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
    """The settings, options before environment. Raises Wrong, which names file, key and mend.

    `senders`: with the secrets of the sources and the tokens, which only who receives or signs deliveries needs.
    """
    options = {"HOOKFOLD_CONFIG": config, "HOOKFOLD_DATABASE_URL": database, "HOOKFOLD_PORT": port}
    given = {name: str(value) for name, value in options.items() if value is not None}
    try:
        return configuration.load(None, os.environ | given, senders=senders)
    except ConfigError as error:
        raise Wrong(str(error)) from error


def configured(*, senders: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command over one configuration: takes --config and --database, and is called with what is wired, the settings
    that they name (with `senders` as `read_settings` has it), and its own options.
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
