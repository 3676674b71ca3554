"""A zip that is written file by file into a file on disk: no part of it grows in memory."""

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
    """Lines that are written first and read afterwards, in a file without a name."""

    def __init__(self) -> None:
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - `close` closes it
        self.size = 0

    def add(self, line: bytes) -> None:
        self.size += self._file.write(line + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        """The lines, each with its end."""
        self._file.seek(0)
        return iter(self._file)

    def close(self) -> None:
        self._file.close()


class Packing:
    """The files of a zip. The same files always give the same bytes: no entry has a time of its own.

    `listed` has a line for each that was written, as `sha256sum` has it.
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
        """A file that is at hand as a whole."""
        with self.adding(name, large=False) as write:
            write(content)

    @contextmanager
    def adding(self, name: str, *, large: bool = True) -> Iterator[Write]:
        """A file that is written piece by piece, by what the block is given."""
        info, digest = ZipInfo(name), sha256()
        info.compress_type = ZIP_DEFLATED
        with self._zip.open(info, "w", force_zip64=large) as entry:

            def write(piece: bytes) -> None:
                digest.update(piece)
                entry.write(piece)

            yield write
        self.listed.add(f"{digest.hexdigest()}  {name}".encode())


class _Entries:
    """What a zip's directory says of its files: half a kilobyte for each in memory, so it is kept on disk."""

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
    """Where a zip would look its files up by name."""

    def __setitem__(self, name: str, info: ZipInfo) -> None: ...
