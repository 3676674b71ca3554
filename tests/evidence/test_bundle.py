"""A bundle of evidence: what is in it, and that its verifier needs nothing of ours."""

import hashlib
import io
import json
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.evidence import Evidence, certificate, verify
from adapters.evidence.bundle import Made
from adapters.providers import Outcome, outcome_body, read_outcome
from adapters.sql import Entry, Reads, Tree
from adapters.sql.database.tables import payloads
from tests.support.erasing import Erasing
from tests.support.logs import NOON, wms

SIGNING = SigningKey(b"k" * 32, "example.com/log")
USER = "anna@example.com"
HEADERS = [("content-type", "application/json"), ("x-note", "folded\r\n here")]
M: Any = {"measurementId": "m-1"}
SCAN: list[dict[str, Any]] = [
    wms("s-1", 0),
    wms("s-1", 1, "CONFIGURATION_LOADED"),
    wms("s-1", 3, "CAMERA_STARTED"),
    wms("s-1", 2, "CAMERA_PERMISSION_GRANTED"),
    wms("s-1", 4, "MEASUREMENT_STARTED"),
    wms("s-1", 5, "MEASUREMENT_CREATED", **M),
    wms("s-1", 6, "PAGE_VISIBILITY_CHANGE", state="hidden"),
    wms("s-1", 8, "INTERMEDIATE_RESULTS", snr=3.5, **M),
    wms("s-1", 9, "SCAN_COMPLETED", **M),
    wms("s-1", 10, "RESULTS_RECEIVED", **M),
    wms("s-1", 11, "SOMETHING_NEW"),
    wms("s-1", 12, "PAGE_UNLOADED"),
    wms("s-1", 0, "WMS_LOADED", 60),
    wms("s-1", 1, "CONFIGURATION_LOADED", 61),
]
GLASSES: list[dict[str, Any]] = [
    {"type": kind, "sessionId": f"{USER}-com.example.captions", "userId": USER, "timestamp": at, **more}
    for kind, at, more in (
        ("session_request", "2023-07-18T12:00:00.000Z", {}),
        ("stop_request", "2023-07-18T12:10:00.000Z", {"reason": "user_disabled"}),
        ("session_request", "2023-07-18T12:10:00.400Z", {}),
    )
]


@pytest.fixture
def bench(database_url: str) -> Iterator[Erasing]:
    bench = Erasing(database_url)
    yield bench
    bench.close()


def send(bench: Erasing, source: str, documents: list[dict[str, Any]]) -> None:
    for document in documents:
        bench.append(bench.entry(source, document, HEADERS))


def evidence(bench: Erasing) -> Evidence:
    return Evidence(Reads(bench.engine), signer(bench), bench.views, bench.recorder.record)


def signer(bench: Erasing) -> CheckpointSigner:
    return CheckpointSigner(Tree(bench.engine), CurrentKey(SIGNING))


def read(made: Made) -> bytes:
    with made.file:
        content = made.file.read()
    assert len(content) == made.size
    return content


def unpacked(content: bytes, where: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(where)
    return where


def verified(where: Path, *words: str) -> tuple[int, str]:
    """What the bundle's own verifier says, with this interpreter."""
    run = [sys.executable, "-I", str(where / "verify.py"), *words]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=where.parent)
    return done.returncode, done.stdout + done.stderr


def test_the_verifier_comes_to_the_same_state_of_a_scan(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN)

    made = evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))

    code, said = verified(unpacked(read(made), tmp_path / "bundle"), "--key", str(SIGNING.key))
    assert code == 0, said
    assert f"signed by {SIGNING.key}" in said
    assert "14 events are in the log of 14 positions as they were recorded" in said
    assert "same state: measurement configured, connection unknown, visibility unknown; outcome none, 2 runs" in said


def test_the_verifier_comes_to_the_same_state_of_glasses(bench: Erasing, tmp_path: Path):
    send(bench, "captions", GLASSES)

    made = evidence(bench).bundle(bench.stream("session", "captions", f"{USER}-com.example.captions"))

    code, said = verified(unpacked(read(made), tmp_path / "bundle"))
    assert code == 0, said
    assert "same state: state active; outcome none, 2 runs, 3 events" in said
    assert "compare it with the one that you were given" in said


def test_the_verifier_stands_what_a_handler_did_behind_its_webhook(bench: Erasing, tmp_path: Path):
    send(bench, "captions", GLASSES)
    name = f"{USER}-com.example.captions"
    ((key,),) = bench.rows("SELECT key FROM events WHERE position = 3")
    body = outcome_body(Outcome(began=NOON, ended=NOON + 1, status=500), name, key, "new")
    bench.append(Entry("captions", NOON, [], body, None, b"outcome", read_outcome(body)))

    made = evidence(bench).bundle(bench.stream("session", "captions", name))

    code, said = verified(unpacked(read(made), tmp_path / "bundle"))
    assert code == 0, said
    assert "same state: state failed; outcome none, 2 runs, 4 events" in said


def test_a_measurement_comes_with_its_whole_session(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN)
    ((name,),) = bench.rows("SELECT measurement FROM measurements")

    made = evidence(bench).bundle(name)

    files = unpacked(read(made), tmp_path / "bundle")
    assert made.name == f"evidence-{name}.zip"
    assert json.loads((files / "state.json").read_bytes())["subject"] == name
    assert verified(files)[0] == 0


def test_that_a_bundle_was_made_is_recorded_before_it_is(bench: Erasing):
    send(bench, "clinic", SCAN[:1])
    stream = bench.stream("session", "clinic", "s-1")

    evidence(bench).bundle(stream, by="the auditor").file.close()

    ((kind, body),) = bench.rows(
        "SELECT e.type, p.body FROM events e JOIN payloads p ON p.source = e.source AND p.position = e.position "
        "WHERE e.source = 'hookfold'"
    )
    told = json.loads(body)
    assert (kind, told["of"], told["who"]) == ("evidence_made", stream, "the auditor")


def test_a_retracted_event_is_shown_and_passed_by(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [wms("s-1", 0), wms("s-1", 1, "GENERAL_ERROR")])
    bench.retractor.retract(2, "forged")

    made = evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))

    files = unpacked(read(made), tmp_path / "bundle")
    code, said = verified(files)
    assert code == 0, said
    assert "same state: measurement loaded" in said
    assert "retracted by the event at position 3" in (files / "report.html").read_text(encoding="utf-8")
    assert (files / "events" / "000000000003.body").exists()


def test_of_an_erased_stream_the_proofs_hold_and_no_state_is_claimed(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN)
    stream = bench.stream("session", "clinic", "s-1")
    bench.erase(stream)

    made = evidence(bench).bundle(stream)

    files = unpacked(read(made), tmp_path / "bundle")
    code, said = verified(files)
    assert code == 0, said
    assert "bodies of this stream were erased: its state cannot be folded again, the proofs hold" in said
    assert "erased, as the event at position 15 tells" in (files / "report.html").read_text(encoding="utf-8")
    assert b"s-1" not in b"".join(path.read_bytes() for path in files.rglob("*.json"))


def test_the_bundle_of_an_erased_stream_says_when_by_whom_and_why_and_what_was_left(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN)
    stream = bench.stream("session", "clinic", "s-1")
    erasure = bench.eraser.erase(bench.eraser.of_streams([stream]), "<asked for>", "the operator")

    files = unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle")

    _, said = verified(files)
    assert "14 events erased at 2023-07-18 12:40:00 UTC by the operator: <asked for>" in said
    assert f"the event at position 15 tells of it, request {erasure.request}" in said
    left = "measurement configured, connection unknown, visibility unknown; outcome none"
    assert f"the operator says, unproven, that the erasure left: {left}, 2 runs, 14 events" in said
    report = (files / "report.html").read_text(encoding="utf-8")
    assert "<h2>What was erased</h2><p>Headers, bodies and salts of 14 events were destroyed." in report
    row = ("15", "2023-07-18 12:40:00.000", "the operator", "&lt;asked for&gt;", erasure.request, "14")
    assert "".join(f"<td>{cell}</td>" for cell in row) in report
    assert f"{left}, as the erasure at position 15 left it" in report


def test_the_verifier_holds_a_certificate_against_what_is_erased(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [*SCAN, wms("s-2", 0)])
    stream, other = (bench.stream("session", "clinic", name) for name in ("s-1", "s-2"))
    erasures = [bench.eraser.erase(bench.eraser.of_streams([one]), "asked for") for one in (stream, other)]
    own, another = (certificate(signer(bench), one, NOON, "asked for", None) for one in erasures)
    files = unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle")

    def held(text: str) -> tuple[int, str]:
        (tmp_path / "certificate.txt").write_text(text, encoding="utf-8")
        code, said = verified(files, "--certificate", str(tmp_path / "certificate.txt"))
        return code, said.splitlines()[-1]

    def altered(**otherwise: Any) -> tuple[int, str]:
        head, document = own.splitlines()[:2]
        return held(SIGNING.attest(f"{head}\n{json.dumps(json.loads(document) | otherwise)}\n"))

    right = "the certificate is this log's: {} of the 14 erased here are among the {} that it names"
    assert held(own) == (0, right.format(14, 14))
    other_erasure = "UNPROVEN  certificate.txt: it is of another erasure: it names none of the 14 events erased here"
    assert held(another) == (1, other_erasure)
    wrong = "WRONG  certificate.txt: it "
    assert held(own.replace("asked", "never")) == (1, f"{wrong}was altered: the signature does not fit")
    assert altered(erased=[[1, 13]])[1] == f"{wrong}does not name the event at position 14, which its erasure erased"
    assert altered(erased=[[1, 16]])[1] == f"{wrong}names the event at position 16, which its erasure did not erase"
    assert altered(request="another")[1] == f"{wrong}is of another erasure than the events at its positions"
    assert held(SIGNING.attest("hello\n"))[1] == f"{wrong}is no certificate of an erasure"


def test_a_bundle_that_was_made_before_an_erasure_still_holds_what_the_certificate_names(
    bench: Erasing, tmp_path: Path
):
    send(bench, "clinic", SCAN)
    stream = bench.stream("session", "clinic", "s-1")
    files = verify.read(unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle"))
    erasure = bench.eraser.erase(bench.eraser.of_streams([stream]), "asked for")
    file = tmp_path / "certificate.txt"
    file.write_text(certificate(signer(bench), erasure, NOON, "asked for", None), encoding="utf-8")

    said = verify.check_certificate(files, file)

    assert said == "the certificate is this log's: this bundle was made before, and holds 14 of what it names"


def test_a_bundle_of_two_erasures_says_how_many_of_its_events_a_certificate_names(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [wms("s-1", 0), wms("s-1", 1)])
    stream = bench.stream("session", "clinic", "s-1")
    bench.erase(stream)
    send(bench, "clinic", [wms("s-1", 2)])
    erasure = bench.eraser.erase(bench.eraser.of_streams([stream]), "asked for")
    file = tmp_path / "certificate.txt"
    file.write_text(certificate(signer(bench), erasure, NOON, "asked for", None), encoding="utf-8")
    files = verify.read(unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle"))

    said = verify.check_certificate(files, file)

    right = "the certificate is this log's: 1 of the 3 erased here are among the 1 that it names"
    assert said == f"{right}; the others were erased by another erasure"


@pytest.mark.parametrize("listed", [True, False])
def test_a_certificate_that_has_nothing_to_do_with_a_bundle_proves_nothing_of_it(
    bench: Erasing, tmp_path: Path, listed: bool
):
    send(bench, "clinic", [wms("s-1", 0), wms("s-2", 0)])
    stream, other = (bench.stream("session", "clinic", name) for name in ("s-1", "s-2"))
    erasure = bench.eraser.erase(bench.eraser.of_streams([other]), "asked for")
    head, document = certificate(signer(bench), erasure, NOON, "asked for", None).splitlines()[:2]
    told = {name: one for name, one in json.loads(document).items() if listed or name != "erased"}
    file = tmp_path / "certificate.txt"
    file.write_text(SIGNING.attest(f"{head}\n{json.dumps(told)}\n"), encoding="utf-8")
    files = verify.read(unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle"))

    why = "it is of another erasure: nothing is erased here" if listed else "it lists no events: nobody can tell"
    with pytest.raises(verify.Unproven, match=why):
        verify.check_certificate(files, file)


def test_an_erasure_that_the_event_at_its_position_does_not_tell_of_is_a_lie(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [wms("s-1", 0), wms("s-2", 0)])
    stream, other = (bench.stream("session", "clinic", name) for name in ("s-1", "s-2"))
    bench.erase(other)
    bench.erase(stream)
    files = unpacked(read(evidence(bench).bundle(stream)), tmp_path / "bundle")
    exhibits = json.loads((files / "events.json").read_bytes())
    told = json.loads((files / "events" / "000000000004.body").read_bytes())

    with pytest.raises(verify.Wrong, match="position 4 tells of another erasure than that of 1"):
        verify.check_telling(exhibits[0], {4: ("erased", told | {"streams": [other]})})


@pytest.mark.parametrize("altered", [b"", b"\x01\x80\xff", b"\x01\x00x-note:a"])
def test_headers_that_were_altered_in_the_log_fit_no_leaf(bench: Erasing, tmp_path: Path, altered: bytes):
    send(bench, "clinic", SCAN)
    with bench.engine.begin() as connection:
        connection.execute(update(payloads).where(payloads.c.position == 3).values(headers=altered))

    made = evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))

    code, said = verified(unpacked(read(made), tmp_path / "bundle"))
    assert code == 1
    assert "the event at position 3 is not in the signed log" in said


def test_a_wrong_key_is_told(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN[:1])
    made = evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))

    code, said = verified(unpacked(read(made), tmp_path / "bundle"), "--key", str(SigningKey(b"x" * 32).key))

    assert (code, said) == (1, "WRONG  key.txt: it is not the key that you were given\n")


def test_the_key_may_be_given_as_a_file(one_bundle: Path, tmp_path: Path):
    (tmp_path / "vkey.txt").write_text(f"{SIGNING.key}\n", encoding="utf-8")
    (tmp_path / "other.txt").write_text(f"{SigningKey(b'x' * 32).key}\n", encoding="utf-8")

    code, said = verified(one_bundle, "--key", str(tmp_path / "vkey.txt"))

    assert code == 0, said
    assert "compare it with the one that you were given" not in said
    wrong = (1, "WRONG  key.txt: it is not the key that you were given\n")
    assert verified(one_bundle, "--key", str(tmp_path / "other.txt")) == wrong


def test_what_is_given_as_key_and_is_none_is_not_told_as_a_forged_bundle(one_bundle: Path, tmp_path: Path):
    (tmp_path / "note.txt").write_text("hello\n", encoding="utf-8")

    for words in (str(tmp_path / "note.txt"), str(tmp_path / "absent.txt"), "a" * 300):
        told = "there is no verifier key (NAME+ID+KEY), neither in these words nor in a file of this name"
        assert verified(one_bundle, "--key", words) == (1, f"--key {words}: {told}\n")


def test_altering_any_file_makes_the_verifier_say_which(one_bundle: Path):
    for path in sorted(path for path in one_bundle.rglob("*") if path.is_file()):
        name, whole = path.relative_to(one_bundle).as_posix(), path.read_bytes()
        for altered in (whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:], whole + b"\n", whole[:-1]):
            path.write_bytes(altered)
            with pytest.raises(verify.Wrong, match=f"^{re.escape(name)}: "):
                verify.verify(verify.read(one_bundle), None)
        path.write_bytes(whole)
    assert verified(one_bundle)[0] == 0


def test_who_alters_the_verifier_too_is_told_of_by_one_that_was_not_altered(one_bundle: Path):
    with (one_bundle / "verify.py").open("ab") as verifier:
        verifier.write(b"\n")

    code, said = checked_by(one_bundle.parent / "other" / "verify.py", one_bundle)

    assert code == 1
    assert said.startswith("WRONG  verify.py: ")


def test_a_missing_file_and_a_foreign_one_are_told(one_bundle: Path):
    body = one_bundle / "events" / "000000000001.body"
    body.rename(one_bundle / "elsewhere")

    assert verified(one_bundle)[1] == "WRONG  events/000000000001.body: it is missing\n"
    (one_bundle / "elsewhere").rename(body)
    (one_bundle / "more.txt").write_text("more", encoding="utf-8")
    assert verified(one_bundle)[1] == "WRONG  more.txt: it does not belong to the bundle\n"


def test_a_lie_that_the_operator_signs_is_found_by_folding_again(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", SCAN)
    files = unpacked(read(evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))), tmp_path / "bundle")
    told = json.loads((files / "state.json").read_bytes())
    told["told"]["steps"][9]["after"]["measurement"] = "failed"
    (files / "state.json").write_text(json.dumps(told), encoding="utf-8")
    sign_again(files)

    code, said = verified(files)

    assert code == 1
    assert said.startswith("WRONG  state.json: position 10: after is ")


def without(files: Path, position: int) -> Path:
    """What an operator who lies would do: the event is left out of events, steps and state, and that is signed."""
    exhibits = json.loads((files / "events.json").read_bytes())
    told = json.loads((files / "state.json").read_bytes())
    told["told"]["steps"] = [step for step in told["told"]["steps"] if step["position"] != position]
    told["told"]["state"]["events"] -= 1
    kept = [one for one in exhibits if one["columns"][0] != position]
    (files / "events.json").write_text(json.dumps(kept), encoding="utf-8")
    (files / "state.json").write_text(json.dumps(told), encoding="utf-8")
    for what in ("body", "headers"):
        (files / "events" / f"{position:012}.{what}").unlink()
    sign_again(files)
    return files


def test_an_event_that_the_operator_left_out_is_missed_by_its_number(bench: Erasing, tmp_path: Path):
    numbered = [*SCAN[:8], wms("s-1", 7, "INTERMEDIATE_RESULTS", 1, snr=3.25, **M), *SCAN[8:]]
    send(bench, "clinic", numbered)
    files = unpacked(read(evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))), tmp_path / "bundle")
    whole = verified(files)

    code, said = verified(without(files, 8))

    assert "no number is missing in 2 runs: that nothing follows the last is the operator's word" in whole[1]
    assert (whole[0], code) == (0, 0)
    assert "NUMBERS MISSING  8 of run 1: they never came, or were left out of this bundle" in said
    assert "same state" in said


def test_numbers_that_a_sender_lost_are_named_and_make_no_failure_after_an_erasure_either(
    bench: Erasing, tmp_path: Path
):
    send(bench, "clinic", [wms("s-1", 2), wms("s-1", 3, "ANYTHING"), wms("s-1", 5, "ANYTHING")])
    stream = bench.stream("session", "clinic", "s-1")
    bench.retractor.retract(2, "forged")
    before = verified(unpacked(read(evidence(bench).bundle(stream)), tmp_path / "before"))
    bench.erase(stream)

    after = verified(unpacked(read(evidence(bench).bundle(stream)), tmp_path / "after"))

    assert (before[0], after[0]) == (0, 0)
    for said in (before[1], after[1]):
        assert "NUMBERS MISSING  0-1 of run 1, 3-4 of run 1 (retracted: 3): they never came" in said


def test_of_a_source_without_numbers_is_said_that_nothing_shows_what_was_left_out(bench: Erasing, tmp_path: Path):
    send(bench, "captions", GLASSES)
    name = f"{USER}-com.example.captions"

    _, said = verified(
        unpacked(read(evidence(bench).bundle(bench.stream("session", "captions", name))), tmp_path / "b")
    )

    assert "the events of this source have no numbers: that none was left out is the operator's word" in said


def test_a_run_that_lost_many_numbers_names_the_first_of_them(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [wms("s-1", 2 * number, "ANYTHING") for number in range(24)])

    _, said = verified(unpacked(read(evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))), tmp_path / "b"))

    assert "39 of run 1, ... 3 more gaps: they never came" in said


def test_a_retraction_that_no_event_tells_of_is_a_lie(bench: Erasing, tmp_path: Path):
    send(bench, "clinic", [wms("s-1", 0), wms("s-1", 1, "GENERAL_ERROR"), wms("s-1", 2)])
    bench.retractor.retract(3, "forged")
    files = unpacked(read(evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))), tmp_path / "bundle")

    def said_of(retracted: int) -> str:
        exhibits = json.loads((files / "events.json").read_bytes())
        exhibits[1]["retracted"] = retracted
        (files / "events.json").write_text(json.dumps(exhibits), encoding="utf-8")
        sign_again(files)
        return verified(files)[1]

    assert said_of(4) == "WRONG  events.json: the event at position 4 retracts another one than that at 2\n"
    assert said_of(3) == "WRONG  events.json: no event tells that the one at position 2 was retracted\n"
    assert said_of(9) == "WRONG  events.json: no event tells that the one at position 2 was retracted\n"


def test_a_state_that_is_left_out_though_nothing_was_erased_is_a_lie(one_bundle: Path):
    told = json.loads((one_bundle / "state.json").read_bytes())
    (one_bundle / "state.json").write_text(json.dumps(told | {"told": None}), encoding="utf-8")
    sign_again(one_bundle)

    assert verified(one_bundle)[1] == "WRONG  state.json: it tells no state, and nothing was erased\n"


def test_what_the_operator_left_out_of_the_manifest_too_is_missing(one_bundle: Path):
    for name in ("events/000000000001.body", "events.json", "state.json"):
        whole = (one_bundle / name).read_bytes()
        (one_bundle / name).unlink()
        sign_again(one_bundle)

        assert verified(one_bundle)[1] == f"WRONG  {name}: it is missing\n"
        (one_bundle / name).write_bytes(whole)


def test_altering_a_zip_anywhere_is_told_in_a_line_with_the_file(one_bundle: Path, tmp_path: Path):
    whole = packed(one_bundle, tmp_path / "whole.zip").read_bytes()
    named = set()
    for at in range(0, len(whole), 97):
        (tmp_path / "altered.zip").write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])

        try:
            verify.verify(verify.read(tmp_path / "altered.zip"), None)
        except verify.Wrong as wrong:
            named.add(str(wrong).partition(":")[0])

    files = {path.relative_to(one_bundle).as_posix() for path in one_bundle.rglob("*") if path.is_file()}
    assert {"verify.py", "report.html", "machine.json", "events.json"} <= named & files


def test_what_is_no_zip_and_what_is_not_there_is_told_in_a_line(one_bundle: Path, tmp_path: Path):
    (tmp_path / "no.zip").write_bytes(b"no zip")

    assert verified(one_bundle, str(tmp_path / "no.zip")) == (
        1,
        "WRONG  no.zip: it is not a whole zip: File is not a zip file\n",
    )
    assert verified(one_bundle, str(tmp_path / "absent.zip")) == (1, "WRONG  absent.zip: there is no such file\n")


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"]
)
def test_nothing_that_a_sender_says_is_alive_in_the_report(bench: Erasing, hostile: str):
    send(bench, "clinic", [wms("s-1", 0), wms("s-1", 1, hostile)])

    made = evidence(bench).bundle(bench.stream("session", "clinic", "s-1"))

    report = zipfile.ZipFile(io.BytesIO(read(made))).read("report.html").decode()
    assert escape(hostile) in report
    assert [tag for tag in ("<script", "<img", "<a ", "href=") if tag in report] == []
    assert "default-src 'none'; style-src 'unsafe-inline'" in report


def report_of(bench: Erasing, subject: str) -> str:
    with zipfile.ZipFile(io.BytesIO(read(evidence(bench).bundle(subject)))) as archive:
        return archive.read("report.html").decode()


def test_the_report_of_a_measurement_marks_its_own_rows_among_the_whole_visits(bench: Erasing):
    first = [*SCAN[:8], wms("s-1", 7, "MEASUREMENT_CANCELED", **M)]
    second = [
        wms("s-1", 9, "MEASUREMENT_STARTED", 2),
        wms("s-1", 10, "MEASUREMENT_CREATED", 2, measurementId="m-2"),
        wms("s-1", 11, "INTERMEDIATE_RESULTS", 3, snr=4.25, measurementId="m-2"),
    ]
    second[-1]["payload"]["sequence"] = 1
    send(bench, "clinic", [*first, *second])
    ((other,),) = bench.rows("SELECT measurement FROM measurements WHERE measurement_id = 'm-1'")
    ((own,),) = bench.rows("SELECT measurement FROM measurements WHERE measurement_id = 'm-2'")
    stream = bench.stream("session", "clinic", "s-1")

    own_report, whole = report_of(bench, own), report_of(bench, stream)

    assert re.findall(r"<td>\N{BLACK CIRCLE} ([^<]+)</td>", own_report) == ["m-2", "10", "11", "12"]
    assert f"those of the whole session {stream}: those with \N{BLACK CIRCLE} are" in own_report
    assert "<td>INTERMEDIATE_RESULTS 11, chunk 1: 4.25 dB</td>" in own_report
    assert "<td>INTERMEDIATE_RESULTS 8, 3.5 dB</td>" in own_report
    assert "\N{BLACK CIRCLE} m-1" in report_of(bench, other)
    assert "\N{BLACK CIRCLE}" not in whole
    assert "<td>m-1</td>" in whole


def test_the_report_of_an_erased_measurement_marks_no_event_as_its_own(bench: Erasing):
    send(bench, "clinic", SCAN)
    ((own,),) = bench.rows("SELECT measurement FROM measurements")
    bench.erase(bench.stream("session", "clinic", "s-1"))

    report = report_of(bench, own)

    assert "which of them are the measurement's own was erased" in report
    assert "<h2>Measurements of the session, the newest as the erasure left them</h2>" in report
    assert "\N{BLACK CIRCLE} its id was erased, where it had one" in report


def test_the_report_has_its_key_above_the_words_that_name_it_and_its_times_in_utc(bench: Erasing):
    send(bench, "clinic", SCAN)

    report = report_of(bench, bench.stream("session", "clinic", "s-1"))

    assert report.index(str(SIGNING.key)) < report.index("Compare the key above with")
    assert "All times are UTC." in report
    assert "+00:00" not in report
    assert "break-after: avoid" in report


def test_the_report_says_which_secret_verified_an_event_or_that_nothing_did(bench: Erasing):
    send(bench, "clinic", [wms("s-1", 0)])
    send(bench, "captions", GLASSES)

    def report(kind: str, source: str, name: str) -> str:
        made = evidence(bench).bundle(bench.stream(kind, source, name))
        return zipfile.ZipFile(io.BytesIO(read(made))).read("report.html").decode()

    ((secret,),) = bench.rows("SELECT verified_by FROM events WHERE position = 1")
    assert f"<td>{secret}</td>" in report("session", "clinic", "s-1")
    assert "<td>nothing</td>" in report("session", "captions", f"{USER}-com.example.captions")


def test_it_runs_in_a_bare_environment_without_a_network(one_bundle: Path, tmp_path: Path):
    python = bare_environment(tmp_path / "bare")

    run = [str(python), str(one_bundle / "verify.py"), str(packed(one_bundle, tmp_path / "packed.zip"))]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path, env={})

    assert done.returncode == 0, done.stderr
    assert "same state" in done.stdout


def test_without_cryptography_it_says_what_it_needs(one_bundle: Path, tmp_path: Path):
    venv.create(tmp_path / "empty", with_pip=False)

    run = [str(tmp_path / "empty" / "bin" / "python"), str(one_bundle / "verify.py")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env={})

    assert (done.returncode, done.stderr) == (
        1,
        "this needs the Python package cryptography: pip install cryptography\n",
    )


@pytest.fixture
def one_bundle(sqlite_url: str, tmp_path: Path) -> Path:
    """An unpacked bundle, and beside it another copy of the verifier."""
    bench = Erasing(sqlite_url)
    send(bench, "clinic", SCAN)
    content = read(evidence(bench).bundle(bench.stream("session", "clinic", "s-1")))
    bench.close()
    unpacked(content, tmp_path / "other")
    return unpacked(content, tmp_path / "bundle")


def packed(bundle: Path, where: Path) -> Path:
    with zipfile.ZipFile(where, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(bundle).as_posix())
    return where


def checked_by(verifier: Path, bundle: Path) -> tuple[int, str]:
    run = [sys.executable, "-I", str(verifier), str(bundle)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def sign_again(files: Path) -> None:
    """What an operator who lies would do: the manifest fits the files again."""
    names = sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((files / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
        if "manifest" not in name
    ]
    text = SIGNING.attest(f"hookfold evidence v1\nlog {SIGNING.key.name}\n{''.join(lines)}")
    (files / "manifest.note").write_text(text, encoding="utf-8")


def bare_environment(where: Path) -> Path:
    """A virtual environment with cryptography and what that needs, and with no sockets."""
    venv.create(where, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(where)}))
    ours = Path(sysconfig.get_path("purelib"))
    for name in ("cryptography", "cffi", "pycparser"):
        if (ours / name).exists():
            (packages / name).symlink_to(ours / name)
    for library in ours.glob("_cffi_backend*"):
        (packages / library.name).symlink_to(library)
    (packages / "sitecustomize.py").write_text("import socket\nsocket.socket = None\n", encoding="utf-8")
    return where / "bin" / "python"
