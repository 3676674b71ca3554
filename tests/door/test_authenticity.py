"""Who is let in: signatures that are missing, broken, doubled, stale, or made with another secret."""

import hmac
import json
import time
from base64 import b64decode, b64encode

import pytest

from adapters.providers import sign_svix, sign_wms
from tests.support.logs import wms
from tests.support.raw import exchange, request
from tests.support.service import AMPS_SECRET, OLD_SECRET, WMS_SECRET, Answer, Service

REFUSAL = {"status": "error", "message": "signature"}
MAC = "x-wms-content-mac"
FULL = "hmac-sha256="
STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
BAD_TIMES = ["nan", "inf", "-1", "1_000", "+1", "1.0", "1e9", "0x1", "", "9" * 13]


def test_a_broken_mac_is_refused_without_a_word_why_and_kept_with_the_reason(door: Service, name: str):
    body = json.dumps(wms(name, 0)).encode()
    good = sign_wms(WMS_SECRET, body)[MAC]

    for reason, value in broken_macs(good):
        answer = door.send("POST", "/in/clinic", body, {} if value is None else {MAC: value})

        assert (answer.status, answer.json) == (401, REFUSAL), value
        assert kept(door) == reason, value
    assert nothing_of(door, name)


def test_a_broken_svix_signature_is_refused_and_kept_with_the_reason(door: Service, name: str):
    body = completed(name)
    headers = signed(name, body)

    for reason, value in broken_tokens(headers["svix-signature"]):
        rest = {key: text for key, text in headers.items() if key != "svix-signature"}
        answer = door.send("POST", "/in/energy", body, rest if value is None else rest | {"svix-signature": value})

        assert (answer.status, answer.json) == (401, REFUSAL), value
        assert kept(door) == reason, value
    assert door.get(f"/v1/actions?action_id={name}")["data"] == []


@pytest.mark.parametrize("header", [MAC, "svix-signature", "svix-id", "svix-timestamp"])
def test_a_header_that_comes_twice_is_refused_whichever_is_good(door: Service, name: str, header: str):
    source = "clinic" if header == MAC else "energy"
    body = json.dumps(wms(name, 0)).encode() if header == MAC else completed(name)
    good = dict(sign_wms(WMS_SECRET, body) if header == MAC else signed(name, body))
    bad = "0" if header == "svix-timestamp" else good[header][:-2] + "00"
    rest = [(key, value) for key, value in good.items() if key != header]

    for both in ([good[header], bad], [bad, good[header]], [good[header]] * 2):
        answer = door.send("POST", f"/in/{source}", body, [*rest, *((header, value) for value in both)])

        assert (answer.status, answer.json) == (401, REFUSAL)


def test_a_good_token_counts_among_the_first_sixteen_whatever_else_is_there(door: Service, name: str):
    body = completed(name)
    headers = signed(name, body)
    good = headers["svix-signature"]

    for tokens in (f"v1a,abc v2,x {good}", " ".join(["v1,x"] * 15 + [good]), f"v9  {good}", f"{good} {good}"):
        answer = door.send("POST", "/in/energy", body, headers | {"svix-signature": tokens})

        assert answer.status == 200, tokens


def test_both_triples_of_header_names_are_one_scheme(door: Service, name: str):
    body = completed(name)
    headers = dict(zip(STANDARD, signed(name, body).values(), strict=True))

    answer = door.send("POST", "/in/energy", body, headers)

    assert (answer.status, answer.headers["hookfold-verdict"]) == (200, "new")


@pytest.mark.parametrize(("ahead", "reason"), [(-310, "stale"), (310, "future")])
def test_a_signature_out_of_its_time_is_refused_and_called_what_it_is(
    door: Service, name: str, ahead: int, reason: str
):
    body = completed(name)

    answer = door.send("POST", "/in/energy", body, signed(name, body, int(time.time()) + ahead))

    assert (answer.status, answer.json, kept(door)) == (401, REFUSAL, reason)


def test_a_time_that_is_no_row_of_digits_is_refused_though_it_is_signed(door: Service, name: str):
    body = completed(name)

    for text in BAD_TIMES:
        answer = door.send("POST", "/in/energy", body, by_hand(name.encode(), text.encode(), body))

        assert (answer.status, answer.json) == (401, REFUSAL), text


@pytest.mark.parametrize("digits", ["\u0661\u0667\u0660\u0660", "\uff11\uff17"])
def test_digits_of_other_scripts_are_no_time(door: Service, name: str, digits: str):
    body = completed(name)
    headers = by_hand(name.encode(), digits.encode(), body) | {"svix-timestamp": digits.encode()}

    answer = exchange(door.port, request("/in/energy", body, headers.items()))

    assert (answer.status, answer.json) == (401, REFUSAL)


@pytest.mark.parametrize("identity", [b"", b"m" * 257, b"m\x00", b"m\x01", b"m\x7f", b"m\xe9", b"m 1", b"m\n 1"])
def test_an_id_that_is_not_visible_ascii_is_refused_though_it_is_signed(door: Service, name: str, identity: bytes):
    body = completed(name)
    now = str(int(time.time())).encode()
    headers = by_hand(identity, now, body) | {"svix-id": identity}

    answer = exchange(door.port, request("/in/energy", body, headers.items()))

    assert answer.status in (400, 401)  # some of these are no HTTP
    assert door.get(f"/v1/actions?action_id={name}")["data"] == []


def test_a_signature_header_that_is_no_ascii_is_refused(door: Service, name: str):
    body = json.dumps(wms(name, 0)).encode()

    for value in (b"hmac-sha256=\xff\xfe", "hmac-sha256=é".encode()):
        answer = exchange(door.port, request("/in/clinic", body, [(MAC, value)]))

        assert (answer.status, answer.json) == (401, REFUSAL)


def test_each_of_two_secrets_is_taken_and_the_event_says_which(door: Service, name: str):
    for number, secret in enumerate([WMS_SECRET, OLD_SECRET]):
        body = json.dumps(wms(name, number)).encode()
        assert door.send("POST", "/in/clinic", body, sign_wms(secret, body)).status == 200

    events = door.get(f"/v1/events?session_id={name}")["data"]
    assert [event["verified_by"] for event in events] == ["env:WMS_SECRET", "env:OLD_SECRET"]


def test_a_secret_that_was_removed_signs_nothing(door: Service, name: str):
    body = json.dumps(wms(name, 0)).encode()

    answer = door.send("POST", "/in/clinic", body, sign_wms("a-secret-of-last-year", body))

    assert (answer.status, answer.json, kept(door)) == (401, REFUSAL, "signature_mismatch")


@pytest.mark.parametrize("session", ["é", "😀"])
def test_a_body_beyond_ascii_is_taken_with_a_mac_over_its_raw_bytes(door: Service, name: str, session: str):
    assert door.wms(json.dumps(wms(name + session, 0), ensure_ascii=False).encode()).status == 200


def test_the_published_check_of_such_a_body_is_taken_where_it_is_opted_in_and_cannot_be_forged(
    door: Service, name: str
):
    latin = json.dumps(wms(name + "é", 0), ensure_ascii=False).encode()
    beyond = json.dumps(wms(name + "ı", 0), ensure_ascii=False).encode()

    assert by_node(door, "clinic", latin).status == 401
    assert kept(door) == "node_ascii_only"
    assert by_node(door, "browser", latin).status == 200
    assert by_node(door, "browser", beyond).status == 401
    assert kept(door) == "node_ascii_only"


def test_what_no_signature_protects_is_marked_unsigned(door: Service, name: str):
    at = "2026-11-01T10:00:00.000Z"
    answer = door.glasses({"type": "session_request", "sessionId": name, "userId": "ann@example.com", "timestamp": at})

    (session,) = door.get(f"/v1/sessions?session_id={name}")["data"]
    assert answer.status == 200
    assert session["unsigned"] is True


def broken_macs(good: str) -> list[tuple[str, str | None]]:
    return [
        ("signature_missing", None),
        ("signature_missing", ""),
        ("signature_malformed", FULL),
        ("signature_malformed", good[:-1]),
        ("signature_malformed", good + "0"),
        ("signature_mismatch", FULL + "0" * 64),
        ("signature_malformed", good.replace("sha256", "sha1")),
        ("signature_malformed", good.removeprefix(FULL)),
        ("signature_malformed", FULL + good.removeprefix(FULL).upper()),
    ]


def broken_tokens(good: str) -> list[tuple[str, str | None]]:
    return [
        ("signature_missing", None),
        ("signature_missing", ""),
        ("signature_malformed", "v1,"),
        ("signature_malformed", good[:-2]),
        ("signature_mismatch", "v1," + "A" * 43 + "="),
        ("signature_malformed", good.replace("v1", "v2")),
        ("signature_malformed", good.replace(",", "")),
        ("signature_malformed", good.replace(",", ",,")),
        ("signature_malformed", "v1,!" + good[4:]),
        ("signature_malformed", " ".join(["v1a,x"] * 16 + [good])),
        ("signature_malformed", " ".join(["v1,x"] * 10_000)),
    ]


def kept(door: Service) -> str:
    """The reason of the newest rejection."""
    return str(door.get("/v1/rejections?limit=1")["data"][0]["reason"])


def nothing_of(door: Service, session: str) -> bool:
    return not door.get(f"/v1/events?session_id={session}")["data"]


def completed(action: str) -> bytes:
    return json.dumps({"actionId": action, "deviceId": "car", "completedAt": "2026-11-01T10:00:00Z"}).encode()


def signed(message: str, body: bytes, at: int | None = None) -> dict[str, str]:
    return sign_svix(AMPS_SECRET, message, at or int(time.time()), body)


def by_hand(message: bytes, timestamp: bytes, body: bytes) -> dict[str, str | bytes]:
    """A right signature over an id and a time that no honest signer would take."""
    key = hmac.digest(_key(), message + b"." + timestamp + b"." + body, "sha256")
    signature = "v1," + b64encode(key).decode()
    return {
        "svix-id": message.decode("latin-1"),
        "svix-timestamp": timestamp.decode("latin-1"),
        "svix-signature": signature,
    }


def _key() -> bytes:
    return b64decode(AMPS_SECRET.removeprefix("whsec_"))


def by_node(door: Service, source: str, body: bytes) -> Answer:
    """Signed as the check in WMS's documents computes it: the low bytes of UTF-16."""
    low = body.decode().encode("utf-16-le")[::2]
    return door.send("POST", f"/in/{source}", body, {MAC: FULL + hmac.digest(WMS_SECRET.encode(), low, "sha256").hex()})
