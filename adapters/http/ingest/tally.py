"""Sums the metrics of all processes of a service, whichever process is scraped.

Each process has a shared file, to which it writes its counts every second and before each scrape. The file outlives the
process, and its successor continues from it, so no counter ever decreases.
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
"""Seconds between two writes. Counts since the last write are lost if the process is killed."""

_HALF = 1 << 24
"""The bytes of half a file. The halves are written alternately, so that one is always complete."""
_HEAD = Struct(">QII")
"""The number of writes, the length of the content, and its checksum."""

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
    """A process's registry, which collects all processes. `every` has the descriptors of all files, `own` its own."""

    def __init__(self, own: int, every: Sequence[int]) -> None:
        super().__init__()
        self._own = own
        self._every = every
        self._turn, found = _read(self._own)
        self._before = {name: one for name, one in found.items() if one.kind != "gauge"}
        self._writing = Lock()
        self._ended = Event()

    def begin(self) -> None:
        """Starts the writing thread, until `close`."""
        Thread(target=self._keep_writing, name="hookfold-tally", daemon=True).start()

    def close(self) -> None:
        """Writes a last time. The descriptor may be reused afterwards."""
        with self._writing:
            self._ended.set()
            self._write()

    def collect(self) -> Iterator[Metric]:
        """All samples, summed over the processes, with this one's current values."""
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
    """A half's number and content; empty if it was never written or is being written."""
    head = os.pread(file, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return 0, b""
    turn, size, checksum = _HEAD.unpack(head)
    told = os.pread(file, size, at + _HEAD.size)
    return (turn, told) if crc32(told) == checksum else (0, b"")


def _counts(metrics: Iterable[Metric]) -> Counts:
    """The samples without creation times, whose sums would be meaningless."""
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
