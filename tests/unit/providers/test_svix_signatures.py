"""Svix and Standard Webhooks signatures: strict, and what the reference packages sign is accepted."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook

from adapters.providers import Refused, sign_svix
from adapters.providers.port import Verified
from tests.support.deliveries import SVIX_SECRET, amps
from tests.support.receivers import svix_webhook

ID, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"
BODY = b'{"test": 2432232314}'
TOKEN = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = 1_614_265_330_000_000
WRONG = "v1," + "A" * 43 + "="
OTHER_SECRET = "whsec_" + "b3RoZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cw=="


def svix(message_id=ID, timestamp=TIMESTAMP, token=TOKEN, name="svix"):
    values = {"id": message_id, "timestamp": timestamp, "signature": token}
    return [("host", "example.com"), *((f"{name}-{part}", value) for part, value in values.items())]


def verdict(headers, body=BODY, now=NOW):
    return amps().verify(headers, body, now)


@pytest.mark.parametrize("name", ["svix", "webhook"])
def test_the_known_answer_is_authentic_under_both_names(name):
    assert verdict(svix(name=name)) == Verified("env:SECRET_0")


def test_a_secret_without_its_prefix_is_the_same_secret():
    assert amps(SVIX_SECRET.removeprefix("whsec_")).verify(svix(), BODY, NOW) == Verified("env:SECRET_0")


def test_what_svix_signs_is_authentic():
    token = svix_webhook(SVIX_SECRET).sign(ID, datetime.fromtimestamp(int(TIMESTAMP), UTC), BODY.decode())

    assert verdict(svix(token=token)) == Verified("env:SECRET_0")


def test_what_standardwebhooks_signs_is_authentic():
    token = StandardWebhook(SVIX_SECRET).sign(ID, datetime.fromtimestamp(int(TIMESTAMP), UTC), BODY.decode())

    assert verdict(svix(token=token, name="webhook")) == Verified("env:SECRET_0")


def test_what_we_sign_is_taken_by_both_packages():
    now = int(datetime.now(UTC).timestamp())
    headers = sign_svix(SVIX_SECRET, ID, now, BODY)

    svix_webhook(SVIX_SECRET).verify(BODY, headers)
    StandardWebhook(SVIX_SECRET).verify(BODY, {n.replace("svix", "webhook"): v for n, v in headers.items()})


@pytest.mark.parametrize(
    "token",
    [
        f"v2,xyz {TOKEN}",
        f"v1a,{'A' * 86}== {TOKEN}",
        f"{WRONG} {TOKEN}",
        f"{TOKEN} {WRONG}",
        f"no-comma {TOKEN}",
        f"v1,too,many {TOKEN}",
        f"  {TOKEN}",
        f"v1,é {TOKEN}",
        " ".join([WRONG] * 15 + [TOKEN]),
        " ".join([TOKEN] + [WRONG] * 10_000),
    ],
)
def test_a_good_token_among_the_first_sixteen_is_enough(token):
    assert verdict(svix(token=token)) == Verified("env:SECRET_0")


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "signature_missing"),
        ("v1,", "signature_malformed"),
        ("v1", "signature_malformed"),
        (TOKEN.removeprefix("v1,"), "signature_malformed"),
        (TOKEN[:-1], "signature_malformed"),
        (TOKEN[:-2] + "=", "signature_malformed"),
        (TOKEN.replace("v1", "v2"), "signature_malformed"),
        (TOKEN.replace("v1", "V1"), "signature_malformed"),
        (TOKEN.replace(",", ""), "signature_malformed"),
        (TOKEN.replace("v1,", "v1,,"), "signature_malformed"),
        (TOKEN.replace(",", ", "), "signature_malformed"),
        (TOKEN.replace("+", "-").replace("/", "_"), "signature_malformed"),
        (TOKEN + "\n", "signature_malformed"),
        (f"{TOKEN},{TOKEN}", "signature_malformed"),
        ("v1,%%%%", "signature_malformed"),
        ("v1," + "é" * 44, "signature_malformed"),
        ("\ud800", "signature_malformed"),
        (WRONG, "signature_mismatch"),
        (" ".join([WRONG] * 16 + [TOKEN]), "signature_mismatch"),
        (" ".join([WRONG] * 10_000), "signature_mismatch"),
        ("x" * 1_000_000, "signature_malformed"),
    ],
)
def test_a_wrong_signature_is_refused_with_its_reason(token, reason):
    assert verdict(svix(token=token)).reason == reason


@pytest.mark.parametrize("missing", ["svix-id", "svix-timestamp", "svix-signature"])
def test_a_missing_header_is_refused(missing):
    headers = [(name, value) for name, value in svix() if name != missing]

    assert verdict(headers) == Refused("signature_missing", f"{missing} is missing or empty")


def test_no_headers_at_all_are_refused():
    assert verdict([]).reason == "signature_missing"


@pytest.mark.parametrize("repeated", ["svix-id", "svix-timestamp", "svix-signature"])
@pytest.mark.parametrize("value", ["another", WRONG, None])
def test_a_header_twice_is_refused_whichever_is_good(repeated, value):
    headers = svix()
    again = (repeated, value or dict(headers)[repeated])

    assert verdict([*headers, again]).reason == "signature_repeated"
    assert verdict([again, *headers]).reason == "signature_repeated"


@pytest.mark.parametrize(
    ("shift", "reason"),
    [(300, None), (301, "stale"), (-300, None), (-301, "future"), (10**9, "stale"), (-(10**9), "future")],
)
def test_the_window_is_three_hundred_seconds_both_ways(shift, reason):
    found = verdict(svix(), now=NOW + shift * 1_000_000)

    assert (found.reason if isinstance(found, Refused) else None) == reason


def test_a_replay_knows_no_window():
    assert verdict(svix(), now=None) == Verified("env:SECRET_0")


def test_an_old_forgery_is_a_forgery():
    assert verdict(svix(token=WRONG), now=NOW + 10**12).reason == "signature_mismatch"


@pytest.mark.parametrize(
    "timestamp",
    [
        "nan",
        "inf",
        "-1",
        "1_614_265_330",
        " +1",
        "1.0",
        "1e9",
        " 1614265330",
        "1614265330\n",
        "0x60",
        "١٦١٤٢٦٥٣٣٠",
        "1" * 13,
        "\ud800",
    ],
)
def test_a_timestamp_is_digits_and_nothing_else(timestamp):
    assert verdict(svix(timestamp=timestamp)).reason == "timestamp_malformed"


def test_an_empty_timestamp_is_missing():
    assert verdict(svix(timestamp="")).reason == "signature_missing"


def test_the_headers_own_text_is_what_is_signed():
    assert verdict(svix(timestamp="0" + TIMESTAMP)).reason == "signature_mismatch"


@pytest.mark.parametrize("message_id", ["x" * 257, "a\0b", "a\nb", "a\x1bb", "a b", "a\x7f", "é", "\ud800"])
def test_an_id_is_visible_ascii(message_id):
    assert verdict(svix(message_id=message_id)).reason == "id_malformed"


def test_an_empty_id_is_missing_and_the_longest_is_taken():
    longest = list(sign_svix(SVIX_SECRET, "x" * 256, int(TIMESTAMP), BODY).items())

    assert verdict(svix(message_id="")).reason == "signature_missing"
    assert verdict(longest) == Verified("env:SECRET_0")


def test_the_second_of_two_secrets_is_named_and_a_removed_one_refused():
    headers = list(sign_svix(OTHER_SECRET, ID, int(TIMESTAMP), BODY).items())

    assert amps(SVIX_SECRET, OTHER_SECRET).verify(headers, BODY, NOW) == Verified("env:SECRET_1")
    assert amps(SVIX_SECRET).verify(headers, BODY, NOW).reason == "signature_mismatch"


def test_a_changed_body_id_or_time_is_refused():
    assert verdict(svix(), body=BODY + b" ").reason == "signature_mismatch"
    assert verdict(svix(message_id=ID + "x")).reason == "signature_mismatch"
    assert verdict(svix(timestamp="1614265331")).reason == "signature_mismatch"


def test_where_both_triples_come_the_verified_one_names_the_event():
    provider = amps()
    headers = [*svix(), *svix(message_id="msg_forged", token=WRONG, name="webhook")]

    reading = provider.read(BODY)

    assert provider.verify(headers, BODY, NOW) == Verified("env:SECRET_0")
    assert provider.identity(headers, BODY, reading) == provider.identity(svix(), BODY, reading)


@pytest.mark.parametrize(
    "stray", [["svix-id"], ["svix-id", "svix-id"], ["svix-signature"], ["svix-id", "svix-timestamp"]]
)
@pytest.mark.parametrize(("name", "other"), [("webhook", "svix"), ("svix", "webhook")])
def test_a_stray_header_of_one_name_hides_no_whole_triple_of_the_other(stray, name, other):
    strays = [(header.replace("svix", other), "msg_stray") for header in stray]
    whole = svix(name=name)
    reading = amps().read(BODY)

    for headers in ([*strays, *whole], [*whole, *strays], [*whole, *[(header, "") for header, _ in strays]]):
        assert verdict(headers) == Verified("env:SECRET_0")
        assert amps().identity(headers, BODY, reading) == amps().identity(svix(), BODY, reading)


@pytest.mark.parametrize("size", [16, 23, 24, 25, 26, 64])
def test_a_secret_without_its_padding_is_the_one_that_svix_takes_it_for(size):
    bare = "whsec_" + b64encode(bytes(range(size))).decode().rstrip("=")
    token = svix_webhook(bare).sign(ID, datetime.fromtimestamp(int(TIMESTAMP), UTC), BODY.decode())

    assert amps(bare).verify(svix(token=token), BODY, NOW) == Verified("env:SECRET_0")


@pytest.mark.parametrize(("secret", "size"), [("whsec_AA==", 1), ("whsec_AA", 1), ("AAAAAAAAAAAAAAAAAAAA", 15)])
def test_a_key_that_can_be_guessed_is_refused(secret, size):
    with pytest.raises(ValueError, match=f"its key has {size} bytes"):
        amps(secret)


def test_a_good_triple_under_the_other_name_does_not_cover_a_bad_one():
    headers = [*svix(token=WRONG), *svix(name="webhook")]

    assert verdict(headers).reason == "signature_mismatch"


@pytest.mark.parametrize("body", [b"\xff\xfe", b"", b"\0" * 10])
def test_bytes_that_are_no_text_are_verified_as_bytes(body):
    headers = list(sign_svix(SVIX_SECRET, ID, int(TIMESTAMP), body).items())

    assert verdict(headers, body=body) == Verified("env:SECRET_0")
