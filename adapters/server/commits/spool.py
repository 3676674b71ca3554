"""Deliveries that wait in files for the database: any process of a service adds to them, one takes them out.

A source has a folder with segments, named by the microsecond that they were begun in; only the last one grows. What is
in them was acknowledged once it was synced. A frame is a delivery as it travels to the writer, behind a mark that
nobody can guess, its length and a keyed hash: one that a death cut short is recognised, and no body passes for a frame.
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
"""Bytes of a segment, behind which the next one is begun."""

_HEAD = Struct(">8sI16s")
_SEGMENTS, _ASIDE = ".spool", ".aside"


class SpoolFullError(Exception):
    """What is to be kept does not fit any more."""


class Kept(NamedTuple):
    """A delivery, packed. `behind`: it waits because others do; where none does, the log is to be asked."""

    packed: bytes
    behind: bool


class Read(NamedTuple):
    """What is in a segment up to `end`, and how many bytes of it are no whole frame of ours."""

    items: list[Item]
    unreadable: int
    end: int


class DeliverySpool:
    """Of one source, in files. `most`: their bytes. What may block belongs in a thread."""

    def __init__(self, source: str, folder: Path, most: int, key: bytes) -> None:
        self.source = source
        self.folder = folder
        self._most = most
        self._key = key
        self._mark = self._hash(b"mark")[:8]

    def prepare(self) -> None:
        """Makes the folder. Raises OSError where nothing can be kept there."""
        with self.taken("lock"):
            _sync_folders(self.folder)
            with suppress(PermissionError):  # one that we may only pass through is not ours: it was there before
                _sync_folder(self.folder.parent.parent.parent)

    def is_empty(self) -> bool:
        """Whether nothing waits; it costs a look into a folder with a few names."""
        return not self._names(_SEGMENTS)

    def state(self) -> SpoolState:
        """What waits now. A segment that was drained meanwhile counts for nothing."""
        names = self._names(_SEGMENTS)
        size = sum(_size(self.folder / name) for name in names)
        oldest = int(Path(names[0]).stem) if size else None
        return SpoolState(self.source, size, oldest, len(self._names(_ASIDE)))

    def append(self, waiting: Sequence[Kept]) -> list[bool]:
        """Keeps them behind what is there, synced; False of one for which the log is to be asked.

        All or none: raises OSError or SpoolFullError.
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
        """The segment that is to be drained next."""
        names = self._names(_SEGMENTS)
        return self.folder / names[0] if names else None

    def read(self, segment: Path, at: int = 0) -> Read:
        """What is in a segment from there on, while nobody adds to it. What is unreadable is passed over."""
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
        """The first delivery of a segment, while nobody adds to it; nothing where no whole one begins it."""
        with segment.open("rb") as file:
            data = file.read(_HEAD.size)
            if data.startswith(self._mark) and len(data) == _HEAD.size:
                data += file.read(_HEAD.unpack(data)[1])
        end, item = self._item_at(data, 0)
        return Read([], 0, 0) if item is None else Read([item], 0, end)

    def remove(self, segment: Path) -> None:
        """All of it is in the log."""
        segment.unlink()

    def set_aside(self, segment: Path) -> Path:
        """Some of it is not in the log, and cannot be: it stays for somebody to look at."""
        aside = segment.with_suffix(_ASIDE)
        segment.rename(aside)
        return aside

    @contextmanager
    def taken(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """A lock of that name, which ends with its process. Raises BlockingIOError unless it may wait.

        Who has `lock` adds, or removes what others could add to; who has `draining` drains.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield

    def _names(self, ending: str) -> list[str]:
        """Asked for each delivery."""
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
        """Where the next frame may begin, and the item, where a whole one stands here."""
        begin = at + _HEAD.size
        if data.startswith(self._mark, at) and begin <= len(data):
            _, length, digest = _HEAD.unpack_from(data, at)
            packed = data[begin : begin + length]
            if len(packed) == length and self._hash(packed) == digest:
                return begin + length, _unpacked(packed)
        further = data.find(self._mark, at + 1)
        return (len(data) if further < 0 else further), None


def _unpacked(packed: bytes) -> Item | None:
    """None where another release wrote what this one does not know."""
    try:
        return unpack(packed)
    except msgspec.DecodeError:
        return None


def _append(segment: Path, frames: bytes) -> None:
    """Writes and syncs; what did not get there whole is taken back.

    The folders are synced before the first byte: a file that holds any is found after a crash, whoever began it.
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
    """Of a source, of a log, and the one that all of them are in: each may be new."""
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
