"""An answer whose body is a file: it goes out piece by piece, as the client takes it, and holds no thread."""

from collections.abc import Iterator
from typing import IO

PIECE = 64 * 1024


class FileBody:
    """What `wsgi.file_wrapper` makes of a file (PEP 3333): its rest, from where it stands."""

    def __init__(self, file: IO[bytes], _: int = PIECE) -> None:
        self._file = file

    def piece(self) -> bytes:
        """The next one; none behind the last."""
        return self._file.read(PIECE)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.piece, b"")

    def close(self) -> None:
        self._file.close()


class Sending:
    """Status, headers and file of such an answer."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: FileBody) -> None:
        self.status = status
        self.headers = headers
        self.body = body
