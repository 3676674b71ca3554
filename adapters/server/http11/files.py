"""Responses whose body is a file, sent piece by piece as the client takes it, without a thread."""

from collections.abc import Iterator
from typing import IO

PIECE = 64 * 1024


class FileBody:
    """The `wsgi.file_wrapper` (PEP 3333): the rest of a file from its present offset."""

    def __init__(self, file: IO[bytes], _: int = PIECE) -> None:
        self._file = file

    def piece(self) -> bytes:
        """The next piece; empty at the end."""
        return self._file.read(PIECE)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.piece, b"")

    def close(self) -> None:
        self._file.close()


class Sending:
    """Status, headers and file of such a response."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: FileBody) -> None:
        self.status = status
        self.headers = headers
        self.body = body
