"""What the processes of one service have counted, told as one sum by whichever of them is asked.

Each has a file that all of them share, and writes there every second, and before it tells, what it has counted. A file
outlives its process: the one that is started in its place goes on from there, so no counter ever goes down.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from threading import Event, Lock, Thread
from zlib import crc32

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

EVERY = 1.0
"""Seconds; what a process that is killed has counted since it last wrote is lost."""

_HALF = 1 << 24
"""Bytes of a half of a file. They are written in turn, so that one is whole whenever a process is killed."""
_HEAD = Struct(">QII")
"""How often the file was written, the length of what follows, and its checksum."""

Series = tuple[str, tuple[tuple[str, str], ...]]


class CounterValue(msgspec.Struct):
    """A metric: its samples by name and labels."""

    help: str
    kind: str
    samples: dict[Series, float]


Counts = dict[str, CounterValue]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Counts).decode


class Tally(CollectorRegistry):
    """The registry of one process, which tells those of all. `every`: the files of all, by descriptor; `own` is one."""

    def __init__(self, own: int, every: Sequence[int]) -> None:
        super().__init__()
        self._own = own
        self._every = every
        self._turn, found = _read(self._own)
        self._before = {name: one for name, one in found.items() if one.kind != "gauge"}
        self._writing = Lock()
        self._ended = Event()

    def begin(self) -> None:
        """Has a thread write from now on, until `close`."""
        Thread(target=self._keep_writing, name="hookfold-tally", daemon=True).start()

    def close(self) -> None:
        """Writes a last time: the descriptor may be another file's from then on."""
        with self._writing:
            self._ended.set()
            self._write()

    def collect(self) -> Iterator[Metric]:
        """All samples, summed over the processes; this one's as they are now."""
        with self._writing:
            self._write()
        for name, one in _sum(_read(file)[1] for file in self._every).items():
            metric = Metric(name, one.help, one.kind)
            for (sample, labels), value in one.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric

    def _keep_writing(self) -> None:
        while not self._ended.wait(EVERY):
            with self._writing:
                if not self._ended.is_set():
                    self._write()

    def _write(self) -> None:
        told = _encode(_sum([self._before, _counts(super().collect())]))
        self._turn += 1
        head = _HEAD.pack(self._turn, len(told), crc32(told))
        os.pwrite(self._own, head + told, self._turn % 2 * _HALF)


def _read(file: int) -> tuple[int, Counts]:
    turn, told = max(_half(file, at) for at in (0, _HALF))
    return turn, _decode(told) if told else {}


def _half(file: int, at: int) -> tuple[int, bytes]:
    """Nothing where it was never written, or is being written."""
    head = os.pread(file, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return 0, b""
    turn, size, checksum = _HEAD.unpack(head)
    told = os.pread(file, size, at + _HEAD.size)
    return (turn, told) if crc32(told) == checksum else (0, b"")


def _counts(metrics: Iterable[Metric]) -> Counts:
    """Without the times at which a process began to count: no sum of them says anything."""
    return {
        one.name: CounterValue(
            one.documentation,
            one.type,
            {
                (sample.name, tuple(sample.labels.items())): sample.value
                for sample in one.samples
                if not sample.name.endswith("_created")
            },
        )
        for one in metrics
    }


def _sum(several: Iterable[Counts]) -> Counts:
    summed: Counts = {}
    for counts in several:
        for name, one in counts.items():
            samples = summed.setdefault(name, CounterValue(one.help, one.kind, {})).samples
            for series, value in one.samples.items():
                samples[series] = samples.get(series, 0.0) + value
    return summed
