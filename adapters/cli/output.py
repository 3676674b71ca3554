"""Where a command writes: standard output, or a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click

from adapters.cli.commands import Failed

output_option = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.  [default: print it]"
)


@contextmanager
def written_whole(output: Path | None, what: str) -> Iterator[BinaryIO]:
    """Standard output, or a file for its owner only, which has its name once it is whole. `what` is for the error.

    A device or a pipe is written to: a file with its name would take its place.
    """
    with writing(what):
        if output is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif output.exists() and not output.is_file():
            with output.open("wb") as file:
                yield file
        else:
            with _renamed_once_whole(output) as file:
                yield file


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raises Failed with the reason if an output cannot be written. `what` names the output."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"the {what} cannot be written: {error}") from error


@contextmanager
def _renamed_once_whole(output: Path) -> Iterator[BinaryIO]:
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
