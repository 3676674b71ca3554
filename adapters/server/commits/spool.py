"""The spool: deliveries wait in files for the database. Any process of a service adds to it, one drains it.

A source has a folder of segments, named by the microsecond in which they were begun; only the last one grows. A
delivery is acknowledged once it is synced. A frame is a delivery in the writer's protocol, after an unguessable mark,
its length and a keyed hash: truncated frames are recognised, and no body can be taken for a frame.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

from adapters.http import SpoolState
from adapters.server.commits.frames import Item, unpack

SEGMENT = 4 << 20
"""The bytes of a segment after which the next one begins."""

_HEAD = Struct(">8sI16s")
_SEGMENTS, _ASIDE = ".spool", ".aside"


class SpoolFullError(Exception):
    """The spool is full."""


class Kept(NamedTuple):
    """A packed delivery. `behind`: it is spooled only because others are; if none are, it goes to the log."""

    packed: bytes
    behind: bool


class Read(NamedTuple):
    """The items of a segment up to `end`, and how many bytes are not complete frames of ours."""

    items: list[Item]
    unreadable: int
    end: int


class DeliverySpool:
    """The spool of one source, of at most `most` bytes. Methods may block and belong in a thread."""

    def __init__(self, source: str, folder: Path, most: int, key: bytes) -> None:
        self.source = source
        self.folder = folder
        self._most = most
        self._key = key
        self._mark = self._hash(b"mark")[:8]

    def prepare(self) -> None:
        """Creates the folder. Raises OSError if it cannot be written."""
        with self.taken("lock"):
            _sync_folders(self.folder)
            with suppress(PermissionError):  # an existing folder that is not ours
                _sync_folder(self.folder.parent.parent.parent)

    def is_empty(self) -> bool:
        """Whether the spool is empty. Lists a folder with a few names."""
        return not self._names(_SEGMENTS)

    def state(self) -> SpoolState:
        """The present content. A segment drained meanwhile is not counted."""
        names = self._names(_SEGMENTS)
        size = sum(_size(self.folder / name) for name in names)
        oldest = int(Path(names[0]).stem) if size else None
        return SpoolState(self.source, size, oldest, len(self._names(_ASIDE)))

    def append(self, waiting: Sequence[Kept]) -> list[bool]:
        """Appends deliveries and syncs; False for each that should go to the log instead.

        All or none are stored. Raises OSError or SpoolFullError.
        """
        with self.taken("lock"):
            names = self._names(_SEGMENTS)
            kept, waits = list[bool](), bool(names)
            for one in waiting:
                waits = waits or not one.behind
                kept.append(waits)
            frames = b"".join(self._frame(one.packed) for one, keeps in zip(waiting, kept, strict=True) if keeps)
            if frames:
                self._write(names, frames)
        return kept

    def oldest(self) -> Path | None:
        """The segment to drain next."""
        names = self._names(_SEGMENTS)
        return self.folder / names[0] if names else None

    def read(self, segment: Path, at: int = 0) -> Read:
        """Reads a segment from `at` while nobody adds to it. Skips what is unreadable."""
        with segment.open("rb") as file:
            file.seek(at)
            data = file.read()
        items: list[Item] = []
        begin = unreadable = 0
        while begin < len(data):
            end, item = self._item_at(data, begin)
            if item is not None:
                items.append(item)
            else:
                unreadable += end - begin
            begin = end
        return Read(items, unreadable, at + len(data))

    def read_first(self, segment: Path) -> Read:
        """Reads the first delivery of a segment while nobody adds to it; nothing if it does not begin with a complete
        one.
        """
        with segment.open("rb") as file:
            data = file.read(_HEAD.size)
            if data.startswith(self._mark) and len(data) == _HEAD.size:
                data += file.read(_HEAD.unpack(data)[1])
        end, item = self._item_at(data, 0)
        return Read([], 0, 0) if item is None else Read([item], 0, end)

    def remove(self, segment: Path) -> None:
        """Deletes a segment that is completely in the log."""
        segment.unlink()

    def set_aside(self, segment: Path) -> Path:
        """Renames a segment of which some cannot be appended, for somebody to examine."""
        aside = segment.with_suffix(_ASIDE)
        segment.rename(aside)
        return aside

    @contextmanager
    def taken(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Holds the named lock, which ends with its process. Raises BlockingIOError unless it may wait.

        The holder of `lock` adds, or removes what others could add to. The holder of `draining` drains.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield

    def _names(self, ending: str) -> list[str]:
        """The sorted file names. Called for each delivery."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208 - a path for each name is dear
        except FileNotFoundError:
            return []
        return sorted(name for name in names if name.endswith(ending) and name.removesuffix(ending).isdigit())

    def _write(self, names: list[str], frames: bytes) -> None:
        held = sum(_size(self.folder / name) for name in (*names, *self._names(_ASIDE)))
        if held + len(frames) > self._most:
            raise SpoolFullError(f"the spool holds {held} of {self._most} bytes")
        segment = self.folder / names[-1] if names else None
        if segment is None or _size(segment) >= SEGMENT:
            segment = self._begin(names)
        _append(segment, frames)

    def _begin(self, names: list[str]) -> Path:
        last = int(Path(names[-1]).stem) if names else 0
        segment = self.folder / f"{max(last + 1, time.time_ns() // 1_000):020d}{_SEGMENTS}"
        os.close(os.open(segment, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return segment

    def _frame(self, packed: bytes) -> bytes:
        return _HEAD.pack(self._mark, len(packed), self._hash(packed)) + packed

    def _hash(self, packed: bytes) -> bytes:
        return blake2b(packed, digest_size=16, key=self._key).digest()

    def _item_at(self, data: bytes, at: int) -> tuple[int, Item | None]:
        """Where the next frame may begin, and the item if a complete frame begins here."""
        begin = at + _HEAD.size
        if data.startswith(self._mark, at) and begin <= len(data):
            _, length, digest = _HEAD.unpack_from(data, at)
            packed = data[begin : begin + length]
            if len(packed) == length and self._hash(packed) == digest:
                return begin + length, _unpacked(packed)
        further = data.find(self._mark, at + 1)
        return (len(data) if further < 0 else further), None


def _unpacked(packed: bytes) -> Item | None:
    """The unpacked item; None if another release wrote a form that this one does not know."""
    try:
        return unpack(packed)
    except msgspec.DecodeError:
        return None


def _append(segment: Path, frames: bytes) -> None:
    """Appends and syncs; undoes an incomplete write.

    Syncs the folders before the first byte, so that a file with content is found after a crash.
    """
    with segment.open("ab", buffering=0) as file:
        before = file.tell()
        if before == 0:
            _sync_folders(segment.parent)
        try:
            rest = memoryview(frames)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(before)
            raise


def _sync_folders(folder: Path) -> None:
    """Syncs the folders of the source, of the log, and their parent, each of which may be new."""
    for one in (folder, folder.parent, folder.parent.parent):
        _sync_folder(one)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
