"""Writes a zip to disk with bounded memory, however many files it has and however large they are."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO, Self
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

Write = Callable[[bytes], object]

_FIELDS = (
    *("file_size", "compress_size", "header_offset", "CRC", "compress_type", "flag_bits"),
    *("create_version", "extract_version", "external_attr"),
)


class Spool:
    """Lines in an unnamed temporary file: first all are written, then they are read."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - `close` closes it
        self.size = 0

    def add(self, line: bytes) -> None:
        self.size += self._file.write(line + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        """The lines, each with its line feed."""
        self._file.seek(0)
        return iter(self._file)

    def close(self) -> None:
        self._file.close()


class Packing:
    """Writes the files of a zip. The same files always give the same bytes, because entries have no time.

    `listed` has a line in the format of `sha256sum` for each file written.
    """

    def __init__(self, file: IO[bytes]) -> None:
        with ExitStack() as held:
            self.listed = held.enter_context(closing(Spool()))
            entries = held.enter_context(closing(_Entries()))
            self._zip = ZipFile(file, "w", ZIP_DEFLATED)
            self._zip.filelist = entries  # type: ignore[assignment]  # the directory, written behind all files
            self._zip.NameToInfo = _Forgotten()
            self._held = held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._held:
            self._zip.close()

    def add(self, name: str, content: bytes) -> None:
        """Adds a file from memory."""
        with self.adding(name, large=False) as write:
            write(content)

    @contextmanager
    def adding(self, name: str, *, large: bool = True) -> Iterator[Write]:
        """Adds a file in pieces. The block gets a function that writes a piece. `large`: it may exceed 2 GiB."""
        info, digest = ZipInfo(name), sha256()
        info.compress_type = ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=large) as entry:

            def write(piece: bytes) -> None:
                digest.update(piece)
                entry.write(piece)

            yield write
        self.listed.add(f"{digest.hexdigest()}  {name}".encode())


class _Entries:
    """The central directory of a zip as a list on disk: in memory, `zipfile` needs half a kilobyte for each entry."""

    def __init__(self) -> None:
        self._spool = Spool()
        self._count = 0
        self.close = self._spool.close

    def append(self, info: ZipInfo) -> None:
        self._spool.add(msgspec.json.encode([info.filename, *(getattr(info, name) for name in _FIELDS)]))
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ZipInfo]:
        for line in self._spool:
            filename, *values = msgspec.json.decode(line)
            info = ZipInfo(filename)
            for name, value in zip(_FIELDS, values, strict=True):
                setattr(info, name, value)
            yield info


class _Forgotten(dict[str, ZipInfo]):
    """Replaces the index of `zipfile` by name, and stays empty."""

    def __setitem__(self, name: str, info: ZipInfo) -> None: ...
