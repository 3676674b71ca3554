"""A bundle of evidence: one zip that an outsider can check without us and without the network."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from adapters.audit import Notary, opened
from adapters.evidence.declaration import declaration
from adapters.evidence.report import report
from adapters.sql import Exhibit, Reads, Source, to_event
from core.event import Event
from core.fold import MACHINES, Kind, fold, trace
from core.machines.state import State

HEAD = "hookfold evidence v1"
"""The manifest's first line."""

VERIFIER = Path(__file__).with_name("verify.py")


class Made(NamedTuple):
    """A bundle: the name of its file, and its bytes."""

    name: str
    content: bytes


class Evidence:
    """Makes bundles. `record` puts on record that one was made, before anything of it is read."""

    def __init__(
        self, reads: Reads, notary: Notary, sources: Mapping[str, Source], record: Callable[..., object]
    ) -> None:
        self._reads = reads
        self._notary = notary
        self._sources = sources
        self._record = record

    def bundle(self, subject: str, by: str | None = None) -> Made:
        """The evidence of a session by our id, or of a measurement: then with the whole session that it belongs to.

        Raises LookupError where no source that is configured has it, what `record` raises, and what the notary raises.
        """
        place = self._reads.place_of(subject, list(self._sources))
        if place is None:
            raise LookupError("no source that is configured has such a session or measurement")
        self._record("evidence_made", by=by, of=subject)
        exhibits = self._reads.exhibits(*place)
        files = self._files(subject, *place, exhibits, self._notary.checkpoint())
        files["manifest.note"] = self._manifest(files)
        return Made(f"evidence-{subject}.zip", _zipped(files))

    def _files(
        self, subject: str, name: str, stream: str, exhibits: Sequence[Exhibit], checkpoint: str
    ) -> dict[str, bytes]:
        source = self._sources[name]
        machine = MACHINES[source.machine_of("session")]
        whole = not any(one.erased is not None for one in exhibits)
        story = _story(machine, source, stream, exhibits) if whole else None
        files = {
            "key.txt": f"{self._notary.key}\n".encode(),
            "checkpoint.note": checkpoint.encode(),
            "machine.json": _json(declaration(machine)),
            "events.json": _json(self._events(exhibits, checkpoint)),
            "state.json": _json({"subject": subject, "stream": stream, "provider": source.provider, "told": story}),
            "verify.py": VERIFIER.read_bytes(),
        }
        for one in exhibits:
            if one.body is not None and one.headers is not None:
                files[_name(one, "headers")] = one.headers
                files[_name(one, "body")] = one.body
        files["report.html"] = report(subject, source.provider, exhibits, story, files).encode()
        return files

    def _events(self, exhibits: Sequence[Exhibit], checkpoint: str) -> list[dict[str, Any]]:
        size = opened(checkpoint, self._notary.key).size
        paths = self._notary.paths([one.columns.position for one in exhibits], size)
        return [_event(one, path) for one, path in zip(exhibits, paths, strict=True)]

    def _manifest(self, files: Mapping[str, bytes]) -> bytes:
        lines = [f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
        return self._notary.attest(f"{HEAD}\nlog {self._notary.key.name}\n{''.join(lines)}").encode()


def _event(one: Exhibit, path: Sequence[bytes]) -> dict[str, Any]:
    told = {"columns": one.columns, "salt": one.salt and one.salt.hex(), "path": [node.hex() for node in path]}
    told["origin"] = one.origin and one.origin.hex()
    return told | {"erased": one.erased, "retracted": one.retraction}


def _story(machine: Kind, source: Source, stream: str, exhibits: Sequence[Exhibit]) -> dict[str, Any]:
    """State and trace, folded from the very bodies that the bundle holds."""
    events = [_to_event(one, source) for one in exhibits if one.columns.stream == stream and one.retraction is None]
    state = fold(machine, events, source.settings)
    return {"state": _state(state), "steps": trace(machine, events, source.settings)}


def _to_event(one: Exhibit, source: Source) -> Event:
    held = one.columns
    return to_event(
        held.position,
        bytes.fromhex(held.key),
        held.type,
        held.received_at,
        held.verified_by,
        one.body or b"",
        read=source.read,
    )


def _state(state: State) -> dict[str, Any]:
    regions = state.regions or {"state": state.state}
    return {"regions": regions, "outcome": state.outcome, "runs": state.run, "events": state.events}


def _name(one: Exhibit, what: str) -> str:
    return f"events/{one.columns.position:012}.{what}"


def _json(content: Any) -> bytes:
    plain = msgspec.to_builtins(content)
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """The same files always give the same bytes: no entry has a time of its own."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), held, zipfile.ZIP_DEFLATED)
    return content.getvalue()
