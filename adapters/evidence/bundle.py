"""Makes bundles of evidence: a zip that others can verify without us and without a network.

A bundle is made on disk, a page of events at a time. Memory grows only with the measurements of the session, and by
some 40 bytes for each event.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

import msgspec

from adapters.audit import CheckpointSigner, Contradiction, KeyChain
from adapters.evidence.arranged import Arranged
from adapters.evidence.declaration import declaration
from adapters.evidence.packing import Packing, Spool, Write
from adapters.evidence.report import ReportFacts, Subject, ToldErasure, report, row, told_erasure
from adapters.sql import Reads, RecordedEvent, RecordedEvents, Source, to_event
from core.event import Event
from core.folding.fold import MACHINES, StateMachine, Step, decode, walked
from core.proofs.note import Checkpoint, to_base64
from core.states.records import Measurement
from core.states.state import State
from core.words import counted

HEAD = "hookfold evidence v1"
"""The first line of a manifest that lists the files itself."""

LONG_HEAD = "hookfold evidence v2"
"""The first line of a manifest that lists only `files.sha256`, which lists the other files: for too long a list."""

LONGEST_LIST = 900_000
"""The most bytes of a list of files in a manifest, because a note has a largest size."""

VERIFIER = Path(__file__).with_name("verify.py")


_step = msgspec.json.Decoder(Step)


class Made(NamedTuple):
    """A finished bundle. `file` is open at its beginning and holds `size` bytes; `name` is a name for it."""

    name: str
    file: IO[bytes]
    size: int


class Evidence:
    """Makes bundles. `record` records each in the access log before it is handed out."""

    def __init__(
        self, reads: Reads, signer: CheckpointSigner, sources: Mapping[str, Source], record: Callable[..., object]
    ) -> None:
        self._reads = reads
        self._signer = signer
        self._sources = sources
        self._record = record

    def bundle(self, subject: str, by: str | None = None, kept: Sequence[Checkpoint] = ()) -> Made:
        """The evidence of a session, or of a measurement together with its whole session. `subject` is our id.

        `kept` are checkpoints that somebody kept: the bundle gets a consistency proof from each. The caller closes the
        file. Raises LookupError if no configured source has the subject, OSError if the disk is full, and whatever
        `record` and the signer raise.
        """
        place = self._reads.place_of(subject, list(self._sources))
        if place is None:
            raise LookupError("no source that is configured has such a session or measurement")
        name, stream, opened = place
        about = Subject(subject, stream, opened)
        # before the events are read, because the events of its rotations go into the bundle
        chain = self._signer.chain()
        with ExitStack() as held:
            file = held.enter_context(TemporaryFile())
            with self._reads.exhibits(name, stream) as exhibits:
                _Bundle(self._signer, chain, self._sources[name], about, exhibits).write(file, kept)
            self._record("evidence_made", by=by, of=subject)
            size = file.tell()
            file.seek(0)
            held.pop_all()
        return Made(f"evidence-{subject}.zip", file, size)


class _Bundle:
    """Writes one bundle."""

    def __init__(
        self,
        signer: CheckpointSigner,
        chain: KeyChain,
        source: Source,
        subject: Subject,
        exhibits: RecordedEvents,
    ) -> None:
        self._signer = signer
        self._chain = chain
        self._source = source
        self._subject = subject
        self._stream = subject.stream
        self._exhibits = exhibits
        self._machine: StateMachine = MACHINES[source.machine_of("session")]
        self._state: State = self._machine.State()
        self._left, self._left_records = _left(self._machine, exhibits.left())
        self._erased = Counter[int]()
        self._erasures: list[ToldErasure] = []
        self._count = 0

    @property
    def _whole(self) -> bool:
        return not self._erased

    def write(self, file: IO[bytes], kept: Sequence[Checkpoint]) -> None:
        """Writes the zip. The file is at its end afterwards."""
        with ExitStack() as held:
            packing = held.enter_context(Packing(file))
            steps, stepped, rest = (held.enter_context(closing(Spool())) for _ in range(3))
            arranged = held.enter_context(closing(Arranged(self._machine)))
            checkpoint = self._signer.latest()
            packing.add("key.txt", f"{self._chain.newest}\n".encode())
            packing.add("checkpoint.note", checkpoint.encode())
            packing.add("machine.json", _json(declaration(self._machine)))
            packing.add("verify.py", VERIFIER.read_bytes())
            size = self._chain.opened(checkpoint).size
            if kept:
                packing.add("consistency.json", _json([self._grown(one, size) for one in kept]))
            with packing.adding("events.json") as write:
                self._write_events(write, size, arranged)
            self._add_payloads(packing, rest, arranged)
            if self._whole:
                self._step(steps, stepped, arranged)
            with packing.adding("state.json") as write:
                self._write_state(write, steps)
            facts = ReportFacts(
                *(self._subject, self._source.provider, self._count, str(self._chain.newest), checkpoint),
                self._erasures,
                self._state.records() if self._whole else self._left_records,
            )
            told = _state(self._state) if self._whole else self._left
            with packing.adding("report.html") as write:
                for piece in report(facts, told, (stepped, rest), packing.listed):
                    write(piece)
            self._add_manifest(packing)

    def _grown(self, kept: Checkpoint, size: int) -> dict[str, Any]:
        """The consistency proof from a kept checkpoint to `size` positions, in the form of `/v1/audit/proof`."""
        if kept.size > size:
            raise Contradiction(f"the log has {counted(size, 'position')}, and a kept checkpoint covers {kept.size}")
        found = self._signer.consistency(kept.size, size)
        if found.first_root != kept.root:
            raise Contradiction(f"the log is no extension of the kept checkpoint over {counted(kept.size, 'position')}")
        roots = {"from_root": to_base64(found.first_root), "to_root": to_base64(found.second_root)}
        return {"from": kept.size, "to": size, **roots, "path": [*map(to_base64, found.path)]}

    def _write_events(self, write: Write, size: int, arranged: Arranged) -> None:
        between = b"[\n"
        for held in self._chain.keys[1:]:
            arranged.tell(held.since)
        for page in self._pages(arranged):
            for one, path in zip(page, self._signer.paths([one.columns.position for one in page], size), strict=True):
                write(between + msgspec.json.encode(_event(one, path)))
                between = b",\n"
                self._count += 1
                if one.erased is not None:
                    self._erased[one.erased] += 1
                if one.columns.stream == self._stream:
                    self._arrange(one, arranged)
        write(b"\n]\n")

    def _add_payloads(self, packing: Packing, rest: Spool, arranged: Arranged) -> None:
        """Adds headers and bodies, and writes the report's rows of events that the fold skips."""
        for page in self._pages(arranged):
            for one in page:
                if one.body is not None and one.columns.position in self._erased:
                    self._erasures.append(told_erasure(one, self._erased[one.columns.position]))
                if one.body is not None and one.headers is not None:
                    packing.add(_name(one, "headers"), one.headers)
                    packing.add(_name(one, "body"), one.body)
                if not (self._whole and self._is_folded(one)):
                    rest.add(row(one))

    def _arrange(self, one: RecordedEvent, arranged: Arranged) -> None:
        if one.retraction is None:
            arranged.add(self._to_event(one))
        for teller in (one.erased, one.retraction):
            if teller is not None:
                arranged.tell(teller)

    def _pages(self, arranged: Arranged) -> Iterator[list[RecordedEvent]]:
        """The stream's events by position, then our own events about them: erasures, retractions, and rotations."""
        yield from self._exhibits.pages()
        yield from self._exhibits.pages_at(arranged.tellers())

    def _step(self, steps: Spool, stepped: Spool, arranged: Arranged) -> None:
        """Folds the bodies that the bundle holds into state and steps."""
        exhibits: deque[tuple[RecordedEvent, Event]] = deque()

        def load(positions: Iterator[int]) -> Iterator[Event]:
            for page in self._exhibits.pages_at(positions):
                for one in page:
                    event = self._to_event(one)
                    exhibits.append((one, event))
                    yield event

        arranged.arrange()
        settings = self._source.settings
        for step in walked(self._machine, self._state, arranged.stretches(load), arranged, settings):
            steps.add(msgspec.json.encode(step))
            stepped.add(row(*exhibits.popleft(), step, self._subject.opened))

    def _write_state(self, write: Write, steps: Spool) -> None:
        names = {one.position: one.measurement_id for one in self._state.records()}
        about = {"subject": self._subject.id, "stream": self._stream, "provider": self._source.provider}
        if not self._whole:
            write(msgspec.json.encode(about | {"told": None, "left": self._left}) + b"\n")
            return
        write(msgspec.json.encode(about)[:-1] + b',"told":{"state":' + msgspec.json.encode(_state(self._state)))
        between = b',"steps":[\n'
        for line in steps:
            step = _step.decode(line)
            step.measurement_id = names.get(step.measurement)
            write(between + msgspec.json.encode(step))
            between = b",\n"
        write((b"" if steps.size else between) + b"\n]}}\n")

    def _add_manifest(self, packing: Packing) -> None:
        head, lines = HEAD, b"".join(packing.listed) if packing.listed.size <= LONGEST_LIST else b""
        if not lines:
            head, digest = LONG_HEAD, sha256()
            listed = packing.listed
            with packing.adding("files.sha256") as write:
                for line in listed:
                    digest.update(line)
                    write(line)
            lines = f"{digest.hexdigest()}  files.sha256\n".encode()
        text = f"{head}\nlog {self._chain.newest.name}\n{lines.decode()}"
        packing.add("manifest.note", self._signer.attest(text, self._chain.newest).encode())

    def _is_folded(self, one: RecordedEvent) -> bool:
        return one.columns.stream == self._stream and one.retraction is None

    def _to_event(self, one: RecordedEvent) -> Event:
        held = one.columns
        key, body = bytes.fromhex(held.key), one.body or b""
        return to_event(held.position, key, held.type, held.received_at, held.verified_by, body, read=self._source.read)


def _event(one: RecordedEvent, path: Sequence[bytes]) -> dict[str, Any]:
    told = {"columns": one.columns, "salt": one.salt and one.salt.hex(), "path": [node.hex() for node in path]}
    told["origin"] = one.origin and one.origin.hex()
    return told | {"erased": one.erased, "retracted": one.retraction}


def _left(machine: StateMachine, kept: tuple[int, bytes] | None) -> tuple[dict[str, Any] | None, Sequence[Measurement]]:
    """The state that an erasure left of the stream, and the newest measurements in it; None and none without one, or if
    the machine cannot decode it any more.
    """
    if kept is None:
        return None, ()
    with suppress(msgspec.DecodeError):
        state = decode(machine, kept[1])
        return {"position": kept[0], **_state(state)}, state.records()
    return None, ()


def _state(state: State) -> dict[str, Any]:
    regions = state.regions or {"state": state.state}
    return {"regions": regions, "outcome": state.outcome, "runs": state.run, "events": state.events}


def _name(one: RecordedEvent, what: str) -> str:
    return f"events/{one.columns.position:012}.{what}"


def _json(content: Any) -> bytes:
    plain = msgspec.to_builtins(content)
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"
