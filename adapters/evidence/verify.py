"""Verifies a bundle of evidence without the service that made it: `python verify.py [ZIP or FOLDER] [--key VKEY]`.

It needs Python 3.10 or newer, the package `cryptography`, and no network. It verifies the log's signatures and that
every event is in the signed log with exactly these bytes, and it executes the state machine again.

The key in the bundle proves nothing by itself: compare it with the one that you were given in another way, or give
that one with --key. --certificate compares the certificate of an erasure with what is erased in the bundle. --against
compares a checkpoint that you kept with the bundle's. If it covers fewer or more positions, that takes a consistency
proof: one in the bundle, or the file of --proof.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
import time
import zipfile
import zlib
from bisect import bisect_left
from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.exit("this needs the Python package cryptography: pip install cryptography")

Files = dict[str, bytes]


class Wrong(Exception):
    """The bundle is wrong. The message names the file and the fault."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")


class Unproven(Wrong):
    """The question cannot be decided from the files that were given."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Verifies a bundle of evidence.")
    parser.add_argument("bundle", nargs="?", default=str(Path(__file__).parent), help="a zip or a folder; else its own")
    parser.add_argument("--key", help="the log's verifier key as you were given it by another way, or a file with it")
    parser.add_argument("--against", metavar="FILE", help="a checkpoint that you kept")
    parser.add_argument("--proof", metavar="FILE", help="of /v1/audit/proof?from=&to=, where the bundle lacks it")
    parser.add_argument("--certificate", metavar="FILE", help="the certificate of an erasure")
    given = parser.parse_args()
    try:
        expected = given.key and key_given(given.key)
        files = read(Path(given.bundle))
        for line in verify(files, expected):
            print(line)
        if given.against:
            print(check_against(files, Path(given.against), given.proof and Path(given.proof)))
        if given.certificate:
            print(check_certificate(files, Path(given.certificate)))
    except Unproven as unproven:
        sys.exit(f"UNPROVEN  {unproven}")
    except Wrong as wrong:
        sys.exit(f"WRONG  {wrong}")


def key_given(words: str) -> str:
    """The verifier key that is said, itself or as a file. Ends the program where it is neither: the bundle is not to
    blame.
    """
    for text in (words, file_text(words)):
        try:
            return Key(f"{text.strip()}\n", "--key").text
        except Wrong:
            continue
    sys.exit(
        f"--key {words}: there is no verifier key (NAME+ID+KEY), neither in these words nor in a file of this name"
    )


def file_text(name: str) -> str:
    try:
        return given_text(Path(name))
    except Wrong:
        return ""


def read(where: Path) -> Files:
    if where.is_dir():
        paths = [path for path in sorted(where.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
        return {path.relative_to(where).as_posix(): path.read_bytes() for path in paths}
    try:
        with zipfile.ZipFile(where) as archive:
            return unpacked(where.name, archive)
    except FileNotFoundError:
        raise Wrong(where.name, "there is no such file") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Wrong(where.name, f"it is not a whole zip: {error}") from None


def unpacked(name: str, archive: zipfile.ZipFile) -> Files:
    names = archive.namelist()
    if len(set(names)) != len(names):
        raise Wrong(name, "it holds two files of one name")
    return {name: packed(archive, name) for name in names}


def packed(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError) as error:
        raise Wrong(name, f"it was altered: the zip does not give it back ({error})") from None


def verify(files: Files, expected: str | None) -> list[str]:
    """Verifies the bundle. Returns what was found to be right, a line each. Raises Wrong."""
    key = Key(read_text(files, "key.txt"), "key.txt")
    check_manifest(files, key)
    name = "checkpoint.note"
    origin, size, root = checkpoint_of(key.opened(read_text(files, name), name), name)
    if origin != key.name:
        raise Wrong("checkpoint.note", f"it is of the log {origin}")
    exhibits = json.loads(read_text(files, "events.json"))
    for exhibit in exhibits:
        check_event(files, exhibit, size, root)
    tellers = own_events(files, exhibits)
    for exhibit in exhibits:
        check_telling(exhibit, tellers)
    followed = follow(files, exhibits, key, expected)
    are, were = ("event is", "it was") if len(exhibits) == 1 else ("events are", "they were")
    said = f"{len(exhibits)} {are} in the log of {counted(size, 'position')} as {were} recorded"
    lines = [f"signed by {key.text}", *followed, said, *erased(exhibits, tellers), *fold(files, exhibits)]
    lines.append(completeness(files, exhibits))
    return lines if expected else [*lines, "the key is the bundle's own: compare it with the one that you were given"]


class Key:
    """A verifier key in the format of c2sp.org/signed-note: NAME+ID+BASE64."""

    def __init__(self, text: str, where: str) -> None:
        self.text = text.strip()
        self.name, _, rest = self.text.partition("+")
        given, _, encoded = rest.partition("+")
        typed = unbase64(encoded, where)
        self.id = hashlib.sha256(self.name.encode() + b"\n" + typed).digest()[:4]
        if text != self.text + "\n" or typed[:1] != b"\x01" or len(typed) != 33 or self.id.hex() != given:
            raise Wrong(where, "it is not an Ed25519 verifier key")
        self._public = Ed25519PublicKey.from_public_bytes(typed[1:])

    def opened(self, note: str, name: str) -> str:
        """The text of a note. Raises Wrong unless this key signed it."""
        text, blank, below = note.rpartition("\n\n")
        if not blank or not below.endswith("\n"):
            raise Wrong(name, "it is not a signed note")
        for line in below[:-1].split("\n"):
            dash, _, rest = line.partition(" ")
            signer, _, encoded = rest.partition(" ")
            value = unbase64(encoded, name)
            if (dash, signer, value[:4]) == ("\u2014", self.name, self.id):
                self._check(value[4:], text + "\n", name)
                return text + "\n"
        raise Wrong(name, "the log's key did not sign it")

    def _check(self, signature: bytes, text: str, name: str) -> None:
        try:
            self._public.verify(signature, text.encode())
        except InvalidSignature:
            raise Wrong(name, "it was altered: the signature does not fit") from None


def follow(files: Files, exhibits: list[dict[str, Any]], key: Key, expected: str | None) -> list[str]:
    """The rotations that lead from the given key to the bundle's, a line each: a key vouches for the next one."""
    known, said = (expected or key.text).strip(), []
    for exhibit in sorted(exhibits, key=lambda one: one["columns"][0]):
        columns = exhibit["columns"]
        if known != key.text and (columns[1], columns[5], exhibit["origin"]) == ("hookfold", "key_rotated", None):
            before, known = known, vouched_for(held(files, f"events/{columns[0]:012}.body"), known)
            if known != before:
                said.append(f"at position {columns[0]}, {before} vouches for {known}")
    if known != key.text:
        raise Wrong("key.txt", "it is not the key that you were given")
    return said


def vouched_for(body: bytes, known: str) -> str:
    """The key that `known` vouches for in the body of a rotation; `known` itself if it vouches for none."""
    try:
        note = json.loads(body)["note"]
        text = Key(known + "\n", "--key").opened(note, "key.txt")
        head, log, before, after = text.splitlines()
    except (Wrong, ValueError, KeyError, TypeError, AttributeError):
        return known
    ours = (head, log, before) == ("hookfold key v1", f"log {known.partition('+')[0]}", f"from {known}")
    return after.removeprefix("to ") if ours else known


def check_manifest(files: Files, key: Key) -> None:
    """Checks that every file has its signed hash, and that there is no other file."""
    lines = key.opened(read_text(files, "manifest.note"), "manifest.note").splitlines()
    if lines[:1] not in (["hookfold evidence v1"], ["hookfold evidence v2"]) or lines[1:2] != [f"log {key.name}"]:
        raise Wrong("manifest.note", "it is no manifest of this log")
    signed = check_list(files, lines[2:])
    if lines[0] == "hookfold evidence v2":  # a longer list than a note takes
        signed |= check_list(files, read_text(files, "files.sha256").splitlines())
    for name in files:
        if name not in signed and name != "manifest.note":
            raise Wrong(name, "it does not belong to the bundle")


def check_list(files: Files, lines: list[str]) -> dict[str, str]:
    """Checks the files against lines of a hash and a name. Returns the hashes by name."""
    signed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name, digest in signed.items():
        if name not in files:
            raise Wrong(name, "it is missing")
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise Wrong(name, "it was altered")
    return signed


def checkpoint_of(text: str, name: str) -> tuple[str, int, bytes]:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or not lines[1].isdigit():
        raise Wrong(name, "it is no checkpoint")
    return lines[0], int(lines[1]), unbase64(lines[2], name)


def check_against(files: Files, path: Path, proof: Path | None) -> str:
    """Checks that a verified bundle and a checkpoint that was kept are of the same log. Raises Wrong, Unproven."""
    exhibits, note = json.loads(read_text(files, "events.json")), given_text(path)
    text = key_at(keys_of(files, exhibits), size_in(note, path.name)).opened(note, path.name)
    _, kept, kept_root = checkpoint_of(text, path.name)
    size, root = bundled_checkpoint(files)
    older, newer = sorted([(kept, kept_root), (size, root)])
    hashes = [] if kept == size else proof_between(files, proof, older[0], newer[0])
    if hashes is None:
        raise Unproven(path.name, NO_PROOF.format(counted(kept, "position"), size, older[0], newer[0]))
    if not extends(older, newer, hashes):
        where = "is not the bundle's of the same size" if kept == size else "and the bundle's do not fit the proof"
        raise Wrong(path.name, f"it {where}: they are not of one log, or the proof is of another one")
    covered = counted(sum(one["columns"][0] <= kept for one in exhibits), "event")
    return f"the checkpoint {path.name} over {counted(kept, 'position')} fits: it covers {covered} of this bundle"


NO_PROOF = (
    "it covers {}, and the bundle's checkpoint {}: only a consistency proof shows that they are of one log, and there "
    "is none here that leads from the one to the other. Ask the log's operator for the answer of "
    "/v1/audit/proof?from={}&to={} and name its file with --proof, or for a bundle made with `hookfold audit bundle ID "
    "--against` and your checkpoint"
)


def bundled_checkpoint(files: Files) -> tuple[int, bytes]:
    """Size and root of the bundle's checkpoint, whose signature was verified before."""
    name = "checkpoint.note"
    return checkpoint_of(read_text(files, name).rpartition("\n\n")[0], name)[1:]


def proof_between(files: Files, proof: Path | None, first: int, second: int) -> list[bytes] | None:
    """The consistency proof between these sizes, from the file `proof` or from the bundle; None if there is none."""
    name = proof.name if proof else "consistency.json"
    try:
        some = [json.loads(given_text(proof))] if proof else json.loads(files.get(name, b"[]"))
        found = [one["path"] for one in some if (one["from"], one["to"]) == (first, second)]
    except (ValueError, KeyError, TypeError):
        raise Wrong(name, "it is no consistency proof") from None
    return [unbase64(one, name) for one in found[0]] if found else None


def extends(older: tuple[int, bytes], newer: tuple[int, bytes], path: list[bytes]) -> bool:
    """Whether the proof shows that the newer tree begins with the older one (RFC 9162, 2.1.4.2)."""
    (first, first_root), (second, second_root) = older, newer
    if first == second:
        return first_root == second_root
    parts = path if first & (first - 1) else [first_root, *path]
    if not parts or not first:
        return False
    here, last = first - 1, second - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = parts[0]
    for part in parts[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = hashlib.sha256(b"\1" + part + old).digest(), hashlib.sha256(b"\1" + part + new).digest()
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            new = hashlib.sha256(b"\1" + new + part).digest()
        here, last = here >> 1, last >> 1
    return last == 0 and (old, new) == (first_root, second_root)


def check_event(files: Files, exhibit: dict[str, Any], size: int, root: bytes) -> None:
    """Checks that an event is in the signed log (RFC 6962).

    Its leaf covers the columns and the commitment to headers and body. Its path must lead to the root.
    """
    columns, position = exhibit["columns"], exhibit["columns"][0]
    name = f"events/{position:012}"
    if exhibit["erased"] is None:
        headers, body = held(files, f"{name}.headers"), held(files, f"{name}.body")
        origin = bytes.fromhex(exhibit["origin"] or "")
        before = b"\xff" * 8 + len(origin).to_bytes(8, "big") + origin if origin else b""
        framed = before + len(headers).to_bytes(8, "big") + headers + body
        if hmac.new(bytes.fromhex(exhibit["salt"]), framed, "sha256").hexdigest() != columns[-1]:
            raise Wrong(f"{name}.body", "the log did not commit to these bytes")
    entry = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
    found, here, last = hashlib.sha256(b"\0" + entry).digest(), position - 1, size - 1
    for sibling in map(bytes.fromhex, exhibit["path"]):
        if here & 1 or here == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        here, last = here >> 1, last >> 1
    if last != 0 or found != root:
        raise Wrong("events.json", f"the event at position {position} is not in the signed log")


Tellers = dict[int, tuple[str, dict[str, Any]]]
"""The log's own events by position: the type, and the content of the body."""


def own_events(files: Files, exhibits: list[dict[str, Any]]) -> Tellers:
    own = [one["columns"] for one in exhibits if one["columns"][1] == "hookfold" and one["erased"] is None]
    return {columns[0]: (columns[5], said_in(held(files, f"events/{columns[0]:012}.body"))) for columns in own}


def said_in(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


def check_telling(exhibit: dict[str, Any], tellers: Tellers) -> None:
    """Checks that an event that the fold skips was erased or retracted by an event of the log's own in the bundle."""
    position, stream = exhibit["columns"][0], exhibit["columns"][2]
    for word, at in (("erased", exhibit["erased"]), ("retracted", exhibit["retracted"])):
        if at is None:
            continue
        kind, said = tellers.get(at, (None, {}))
        if kind not in (word, "left_out"):
            raise Wrong("events.json", f"no event tells that the one at position {position} was {word}")
        if kind == "retracted" and said.get("position") != position:
            raise Wrong("events.json", f"the event at position {at} retracts another one than that at {position}")
        if kind == "erased" and stream not in said.get("streams", ()) and position not in said.get("positions", ()):
            raise Wrong("events.json", f"the event at position {at} tells of another erasure than that of {position}")


def erased(exhibits: list[dict[str, Any]], tellers: Tellers) -> list[str]:
    """How many events each erasure erased, a line each."""
    gone = Counter(one["erased"] for one in exhibits if one["erased"] is not None)
    return [told(counted(number, "event"), at, *tellers[at]) for at, number in sorted(gone.items())]


def told(events: str, at: int, kind: str, said: dict[str, Any]) -> str:
    if kind == "left_out":
        return f"{events} erased before an import: the event at position {at} holds the place of what told of it"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(said.get("at") or 0) // 1_000_000))
    by = f"{when} UTC by {said.get('who')}: {said.get('reason')}"
    where = f"the event at position {at} tells of it, request {said.get('request')}"
    return f"{events} erased at {by} ({where}); place, type and times are proven still, what they said is gone"


def check_certificate(files: Files, path: Path) -> str:
    """Compares the certificate of an erasure with what is erased in a verified bundle. Raises Wrong."""
    exhibits = json.loads(read_text(files, "events.json"))
    said, tellers = certified(path, keys_of(files, exhibits)), own_events(files, exhibits)
    gone = {one["columns"][0]: one["erased"] for one in exhibits if one["erased"] is not None}
    own = {at for at, teller in gone.items() if teller in said["positions"]}
    if any(tellers[gone[at]][1].get("request") != said["request"] for at in own):
        raise Wrong(path.name, "it is of another erasure than the events at its positions")
    named = {at for at in (one["columns"][0] for one in exhibits) if names(said, at)} if "erased" in said else own
    if own - named:
        raise Wrong(path.name, f"it does not name the event at position {min(own - named)}, which its erasure erased")
    if whole := named - own:
        if bundled_checkpoint(files)[0] >= max(said["positions"]):
            raise Wrong(path.name, f"it names the event at position {min(whole)}, which its erasure did not erase")
        return f"the certificate is this log's: this bundle was made before, and holds {len(whole)} of what it names"
    if not own:
        raise Unproven(path.name, of_another_erasure(len(gone), lists="erased" in said))
    whose = f"{len(own)} of the {len(gone)} erased here are among the {said['events']} that it names"
    others = "" if len(own) == len(gone) else "; the others were erased by another erasure"
    return f"the certificate is this log's: {whose}{others}"


def of_another_erasure(gone: int, *, lists: bool) -> str:
    """Of a certificate that shares nothing with the `gone` erased events of a bundle. `lists`: it names events."""
    if gone:
        return f"it is of another erasure: it names none of the {counted(gone, 'event')} erased here"
    if lists:
        return "it is of another erasure: nothing is erased here, and it names no event of this bundle"
    return "nothing is erased here, and it lists no events: nobody can tell whether its erasure took any of this bundle"


def names(said: dict[str, Any], position: int) -> bool:
    return any(first <= position <= last for first, last in said["erased"])


def certified(path: Path, keys: list[tuple[int, Key]]) -> dict[str, Any]:
    """The content of a certificate. Raises Wrong unless the log's key signed it and its checkpoint."""
    note = given_text(path)
    said = said_in(note.partition("\n")[2].partition("\n")[0].encode())
    covered = {"request", "positions", "events", "checkpoint"} - {*said}
    if not note.startswith("hookfold erasure certificate v1\n") or covered:
        raise Wrong(path.name, "it is no certificate of an erasure")
    signer = key_at(keys, size_in(said["checkpoint"], path.name))
    signer.opened(note, path.name)
    signer.opened(said["checkpoint"], path.name)
    return said


def keys_of(files: Files, exhibits: list[dict[str, Any]]) -> list[tuple[int, Key]]:
    """The log's keys up to the bundle's, each with the position of the rotation that put it in force (0: the first)."""
    keys = [(0, Key(read_text(files, "key.txt"), "key.txt"))]
    for exhibit in sorted(exhibits, key=lambda one: one["columns"][0], reverse=True):
        columns, (_, newest) = exhibit["columns"], keys[0]
        if (columns[1], columns[5], exhibit["origin"]) == ("hookfold", "key_rotated", None):
            body = held(files, f"events/{columns[0]:012}.body")
            before = said_in(body).get("note", "").partition("\nfrom ")[2].partition("\n")[0]
            if vouched_for(body, before) == newest.text and signs(newest, said_in(body)["note"]):
                keys[:1] = [(0, Key(before + "\n", "key.txt")), (columns[0], newest)]
    return keys


def signs(key: Key, note: str) -> bool:
    try:
        return bool(key.opened(note, "key.txt"))
    except Wrong:
        return False


def key_at(keys: list[tuple[int, Key]], size: int) -> Key:
    """The key that was in force when the log had `size` positions."""
    return [key for since, key in keys if since <= size][-1]


def size_in(note: Any, name: str) -> int:
    size = note.split("\n")[1:2] if isinstance(note, str) else []
    if not size or not size[0].isdecimal():
        raise Wrong(name, "it has no checkpoint")
    return int(size[0])


def given_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Wrong(path.name, "it cannot be read") from None


NAMES = "position source stream opened reading type sequence occurred_at received_at recorded_at key".split()


class Event:
    """An event of the stream: the columns that the log committed to, and the fields of its body, if that is given."""

    def __init__(self, exhibit: dict[str, Any], body: bytes | None, provider: str) -> None:
        held = dict(zip(NAMES, exhibit["columns"], strict=False))
        self.position, self.key, self.at = held["position"], held["key"], held["occurred_at"]
        self.type, self.number, self.known = held["type"] or "", held["sequence"] or 0, held["reading"] == "ok"
        self.second = 1 << 62 if self.at is None else self.at // 1_000_000
        self.said = {} if body is None else json.loads(body)
        payload = self.said.get("payload")
        self.payload: dict[str, Any] = payload if isinstance(payload, dict) else {}
        self.measurement: str | None = self.payload.get("measurementId")
        self.word = word = self.said.get("event" if provider == "wms" else "type")
        otherwise = word != held["type"] or (provider == "wms" and self.said.get("sequence") != self.number)
        if self.known and otherwise and body is not None:
            raise Wrong(f"events/{self.position:012}.body", "it says another type or number than the event")

    def shows(self, guard: str) -> bool:
        seen = [str(self.payload.get(name, "")).upper() for name in ("state", "visibility")]
        wanted = {"page_visible": "VISIBLE", "page_hidden": "HIDDEN"}
        if guard not in wanted:
            raise Wrong("machine.json", f"this verifier does not know the condition {guard}")
        return wanted[guard] == str(next((word for word in reversed(seen) if word in wanted.values()), ""))


def fold(files: Files, exhibits: list[dict[str, Any]]) -> list[str]:
    """Executes the declared machine again, and compares every step and the final state with the bundle's."""
    machine, state = json.loads(read_text(files, "machine.json")), json.loads(read_text(files, "state.json"))
    if state["told"] is None:
        if all(one["erased"] is None for one in exhibits):
            raise Wrong("state.json", "it tells no state, and nothing was erased")
        return ["bodies of this stream were erased: its state cannot be folded again, the proofs hold", *left(state)]
    own = [one for one in exhibits if one["columns"][2] == state["stream"] and one["retracted"] is None]
    bodies = [held(files, f"events/{one['columns'][0]:012}.body") for one in own]
    events = [Event(one, body, state["provider"]) for one, body in zip(own, bodies, strict=True)]
    numbered = machine["order"] == "number"
    runs = runs_of(events, machine) if numbered else [by_time(events, machine)]
    steps, final = Machine(machine).walk(runs)
    for mine, told in zip(steps, state["told"]["steps"], strict=False):
        for name, value in mine.items():
            if told[name] != value:
                raise Wrong("state.json", f"position {mine['position']}: {name} is {value}, not {told[name]}")
    if len(steps) != len(state["told"]["steps"]) or final != state["told"]["state"]:
        raise Wrong("state.json", f"the state is {final}, not {state['told']['state']}")
    where = ", ".join(f"{name} {value}" for name, value in final["regions"].items())
    counts = f"{counted(final['runs'], 'run')}, {counted(final['events'], 'event')}"
    return [f"same state: {where}; outcome {final['outcome'] or 'none'}, {counts}"]


def left(state: dict[str, Any]) -> list[str]:
    """The state that the erasure left, as a line. It is only the operator's statement."""
    kept = state.get("left")
    if kept is None:
        return []
    where = ", ".join(f"{name} {value}" for name, value in kept["regions"].items())
    told = f"{where}; outcome {kept['outcome'] or 'none'}, {counted(kept['runs'], 'run')}, "
    return [f"the operator says, unproven, that the erasure left: {told}{counted(kept['events'], 'event')}"]


def completeness(files: Files, exhibits: list[dict[str, Any]]) -> str:
    """Whether the provider's numbers show that events are missing. A sender that lost some is no forger."""
    machine, state = json.loads(read_text(files, "machine.json")), json.loads(read_text(files, "state.json"))
    if machine["order"] != "number":
        return f"the events of this source have no numbers: that none was left out {OPERATORS_WORD}"
    own = [one for one in exhibits if one["columns"][2] == state["stream"]]
    runs = runs_of([Event(one, None, state["provider"]) for one in own if one["retracted"] is None], machine)
    gaps = [f"{span} of run {run}" for run, events in enumerate(runs, 1) for span in missing(events)]
    if not gaps:
        return f"no number is missing in {counted(len(runs), 'run')}: that nothing follows the last {OPERATORS_WORD}"
    more = f", ... {len(gaps) - MOST_SHOWN} more gaps" if len(gaps) > MOST_SHOWN else ""
    passed = ", ".join(str(one["columns"][6]) for one in own if one["retracted"] is not None)
    told = f"{', '.join(gaps[:MOST_SHOWN])}{more}{f' (retracted: {passed})' if passed else ''}"
    return f"NUMBERS MISSING  {told}: they never came, or were left out of this bundle; which of both {OPERATORS_WORD}"


OPERATORS_WORD = "is the operator's word, and only a copy of the log shows it"
MOST_SHOWN = 20


def missing(run: list[Event]) -> list[str]:
    """The numbers of a run that no event has, below its last: `5`, `7-9`."""
    numbers = [-1, *(event.number for event in run)]
    holes = [(before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    return [str(first) if first == last else f"{first}-{last}" for first, last in holes]


class Measurement:
    """A measurement of a wms session, with a state of its own. `outcome` is None until it has ended."""

    def __init__(self, name: str | None, run: int, state: str) -> None:
        self.name = name
        self.run = run
        self.state = state
        self.outcome: str | None = None


class Measurements:
    """The measurements of a wms session in the order in which they began. `going_on` decides the session's outcome."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self.declared = declared
        self.all: list[Measurement] = []
        self.going_on: Measurement | None = None

    def of(self, event: Event, run: int, before: str, state: str) -> Measurement | None:
        """The measurement that an event belongs to. The event moved the session from state `before` to `state`."""
        name = None if event.type == self.declared["starts"] else event.measurement
        known = self.named(name)
        if event.type in self.declared["prepares"] or (state in self.declared["preparing"] and known is None):
            return None
        if name is None:
            return self.begun(None, run, state) if event.type == self.declared["starts"] else self.going_on
        begins = self.declared["begun"] if before in self.declared["over"] else before
        return self.known(event, known, before) if known else self.given(name) or self.begun(name, run, begins)

    def known(self, event: Event, one: Measurement, before: str) -> Measurement:
        over, again = one.outcome is not None, event.type == self.declared["created"]
        if over and event.type in self.declared["ends"] and self.going_on and self.going_on.outcome is None:
            return self.going_on
        if over and again:
            one.state, one.outcome = before, None
        if again or (not over and self.place(one) > self.place(self.going_on)):
            self.going_on = one
        return one

    def beside(self, event: Event, run: int, state: str) -> None:
        """Begins a measurement that an event of the connection or the page is the first to name."""
        name, other = event.measurement, self.going_on
        if name is not None and self.named(name) is None and self.given(name) is None:
            self.begun(name, run, self.declared["begun"])
            self.going_on = other if other or state in self.declared.get("gone", ()) else self.going_on

    def prepare(self, run: int, before: str, to: str) -> Measurement | None:
        """The run's last measurement. A step of the preparation continues it unless it ended or access is denied."""
        denied, granted = self.declared["denied"], self.declared["granted"]
        last = self.all[-1] if self.all and self.all[-1].run == run else None
        held = to == denied or (before == denied and to != granted)
        self.going_on = last if last is not None and last.outcome is None and not held else None
        return last

    def place(self, one: Measurement | None) -> int:
        return -1 if one is None else next(at for at, other in enumerate(self.all) if other is one)

    def named(self, name: str | None) -> Measurement | None:
        return next((one for one in self.all if name is not None and one.name == name), None)

    def given(self, name: str) -> Measurement | None:
        one = self.going_on
        if one is None or one.name is not None or one.outcome is not None:
            return None
        one.name = name
        return one

    def begun(self, name: str | None, run: int, state: str) -> Measurement:
        self.going_on = Measurement(name, run, state)
        self.all.append(self.going_on)
        return self.going_on


class Machine:
    """Executes the rows of machine.json."""

    def __init__(self, declared: dict[str, Any]) -> None:
        self.declared = declared
        self.main = declared["regions"][0]["name"]
        self.state: dict[str, str] = {}
        self.outcome: str | None = None
        self.runs = 0
        self.measurements = Measurements(declared)

    def walk(self, runs: list[list[Event]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        numbered, steps = self.declared["order"] == "number", []
        self.state = {region["name"]: region["initial"] for region in self.declared["regions"]}
        for run in runs:
            if numbered:
                self.state = {region["name"]: region["initial"] for region in self.declared["regions"]}
                self.runs, self.outcome, self.measurements.going_on = self.runs + 1, None, None
            for event in run:
                before = dict(self.state)
                if event.known:
                    self.step(event)
                steps.append(
                    {"position": event.position, "before": before, "after": dict(self.state), "run": self.runs}
                )
        events = sum(map(len, runs))
        return steps, {"regions": self.state, "outcome": self.outcome, "runs": self.runs, "events": events}

    def step(self, event: Event) -> None:
        for region in self.declared["regions"]:
            if event.type not in region["triggers"]:
                continue
            name = region["name"]
            before, (to, _, does) = self.state[name], self.row(region, self.state[name], event)
            self.runs += does in ("begins a run", "supersedes the run")
            self.state[name] = to or before
            if self.declared["order"] == "number":
                if name == self.main:
                    self.measure(region, event, before, to)
                else:
                    self.measurements.beside(event, self.runs, self.state[self.main])
                    self.tell()

    def row(self, region: dict[str, Any], state: str, event: Event) -> tuple[str | None, str | None, str | None]:
        """Target, anomaly and further effect of the row that applies in a state; None if there is none."""
        for to, guard, marks, does, _ in region["steps"].get(f"{state}, {event.type}", ()):
            if guard is None or event.shows(guard):
                return to, marks, does
        return None, None, None

    def measure(self, region: dict[str, Any], event: Event, before: str, to: str | None) -> None:
        """Moves the measurement that the event belongs to through the same rows. Its outcome may be the session's."""
        taker = self.measurements.of(event, self.runs, before, self.state[self.main])
        if taker is not None:
            together = taker is self.measurements.going_on and taker.state == before not in self.declared.get(
                "gone", ()
            )
            leads, marks, _ = self.row(region, taker.state, event)
            strays = marks is not None and event.type != self.declared["results"]
            if leads is not None and (together or not strays or taker.outcome is None):
                taker.state, taker.outcome = leads, self.declared["outcomes"].get(leads, taker.outcome)
        if taker is not None and (self.measurements.going_on is not None or taker.run == self.runs):
            self.outcome = (self.measurements.going_on or taker).outcome
        elif to is not None:
            self.settle(before, to)

    def tell(self) -> None:
        if self.measurements.going_on is not None:
            self.outcome = self.measurements.going_on.outcome

    def settle(self, before: str, to: str) -> None:
        if to in self.declared["preparing"]:
            last = self.measurements.prepare(self.runs, before, to)
            if self.measurements.going_on or (before, to) == (self.declared["denied"], self.declared["granted"]):
                self.outcome = last.outcome if last else None
        elif before in self.declared.get("gone", ()):
            return
        self.outcome = self.declared["outcomes"].get(to, self.outcome)


def by_time(events: list[Event], machine: dict[str, Any]) -> list[Event]:
    """Sorts events by time. A handler's outcome comes directly after its event."""
    ranks = machine["ranks"]
    places = {e.key: (1 << 62 if e.at is None else e.at, ranks.get(e.word, 9), e.key) for e in events}
    told = {e.key for e in events if e.word in machine["handlers"]}

    def place(e: Event) -> tuple[Any, ...]:
        target = e.said.get("key") if e.key in told else None
        attempt = e.said.get("attempt")
        if target in places and target not in told:
            return (*places[target], attempt if isinstance(attempt, int) else 0, e.key)
        return places[e.key]

    return sorted(events, key=place)


class Run:
    """A run while its events are collected. `closes`: PAGE_UNLOADED ends it, as in machines without `gone`."""

    def __init__(self, closes: bool) -> None:
        self.taken: dict[int, Event] = {}
        self.peaks: list[tuple[int, int]] = []
        self.highest = -1
        self.closes = closes
        self.last: int | None = None

    def add(self, event: Event, unloads: bool) -> None:
        self.taken[event.number] = event
        self.highest = max(self.highest, event.number)
        self.peaks.append((event.second, self.highest))
        if self.closes and unloads and (self.last is None or event.number < self.last):
            self.last = event.number

    def is_beyond(self, event: Event) -> bool:
        return self.last is not None and event.number > self.last

    def goes_on(self, event: Event) -> bool:
        return event.number > self.highest and not self.is_beyond(event)

    def ends(self, event: Event, slack: int) -> bool:
        index = bisect_left(self.peaks, (event.second - slack, -1))
        below = event.number < (self.peaks[index - 1][1] if index else -1)
        return event.number in self.taken or below or self.is_beyond(event)


def runs_of(events: list[Event], machine: dict[str, Any]) -> list[list[Event]]:
    """Splits events into runs, because the provider counts from 0 again after a reload.

    Takes the events second by second: first those that continue the run, then the others.
    """
    word, slack, closes = machine["unloaded"], machine["clock_slack"], "gone" not in machine
    found = [Run(closes)]

    def unloads(event: Event) -> bool:
        return bool(event.type == word and event.known)

    walk = sorted(events, key=lambda e: (e.second, e.number, not unloads(e), e.key))
    for _, group in groupby(walk, lambda e: e.second):
        pending, follows = list(group), True
        while pending:
            rest = []
            for event in pending:
                if follows and found[-1].goes_on(event):
                    found[-1].add(event, unloads(event))
                else:
                    rest.append(event)
            pending, follows = rest, False
            while pending and not follows:
                event = pending.pop(0)
                if found[-1].ends(event, slack):
                    found.append(Run(closes))
                    follows = True
                found[-1].add(event, unloads(event))
    return [[run.taken[number] for number in sorted(run.taken)] for run in found if run.taken]


def counted(count: int, one: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {one if count == 1 else f'{one}s'}"


def held(files: Files, name: str) -> bytes:
    if name not in files:
        raise Wrong(name, "it is missing")
    return files[name]


def read_text(files: Files, name: str) -> str:
    try:
        return held(files, name).decode()
    except UnicodeDecodeError:
        raise Wrong(name, "it was altered: it is no text") from None


def unbase64(text: str, name: str) -> bytes:
    try:
        value = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        value = b""
    if not value or base64.b64encode(value).decode() != text:
        raise Wrong(name, "it was altered: it is not base64 in its canonical form")
    return value


if __name__ == "__main__":
    main()
