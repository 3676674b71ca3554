"""Signed notes, checkpoints and proofs, held against the examples of their specifications."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.proofs import note
from core.proofs.note import Checkpoint, Key, Malformed, NotSigned, Proof

C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """\
This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
CHECKPOINT = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Key("log.example.com", PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def verify(public: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("key", "text"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_the_published_example_verifies(key, text):
    opened = note.opened(text, Key.parse(key), verify)

    assert opened.text == text.rpartition("\n\n")[0] + "\n"


@pytest.mark.parametrize("text", [C2SP_KEY, GO_KEY, str(KEY)])
def test_a_verifier_key_reads_as_it_is_written(text):
    assert str(Key.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/foo",
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("example.com/foo", "example.com/bar"),
        C2SP_KEY.replace("Aeky", "Beky"),
        C2SP_KEY[:-4],
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        C2SP_KEY + "=",
    ],
)
def test_what_is_no_verifier_key_is_refused(text):
    with pytest.raises(Malformed):
        Key.parse(text)


def test_no_byte_of_a_note_can_be_altered():
    encoded = C2SP_NOTE.encode()

    for at in range(len(encoded)):
        for mask in (1, 2, 4, 128):
            text = (encoded[:at] + bytes([encoded[at] ^ mask]) + encoded[at + 1 :]).decode("utf-8", "replace")
            with pytest.raises((Malformed, NotSigned)):
                note.opened(text, Key.parse(C2SP_KEY), verify)


def test_what_we_sign_verifies():
    text = note.sign(CHECKPOINT, KEY, PRIVATE.sign)

    assert note.opened(text, KEY, verify).text == CHECKPOINT


def test_signatures_of_others_stand_beside_ours():
    ours = note.sign(CHECKPOINT, KEY, PRIVATE.sign)
    witness = C2SP_NOTE.splitlines(keepends=True)[-1]

    opened = note.opened(ours + witness, KEY, verify)

    assert [signature.name for signature in opened.signatures] == ["log.example.com", "example.com/foo"]


def test_a_good_signature_beside_a_wrong_one_of_the_same_key_is_not_enough():
    ours = note.sign(CHECKPOINT, KEY, PRIVATE.sign)
    wrong = note.sign("another\n", KEY, PRIVATE.sign).splitlines(keepends=True)[-1]

    with pytest.raises(NotSigned):
        note.opened(ours + wrong, KEY, verify)


def test_a_note_of_another_key_is_not_ours():
    with pytest.raises(NotSigned):
        note.opened(C2SP_NOTE, KEY, verify)


def test_a_text_with_empty_lines_is_cut_at_the_last_one():
    text = note.sign("one\n\ntwo\n", KEY, PRIVATE.sign)

    assert note.parse(text).text == "one\n\ntwo\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\nno signature\n",
        C2SP_NOTE[:-1],
        C2SP_NOTE.replace("— ", "- "),
        "a\tb\n\n" + C2SP_NOTE,
    ],
)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(Malformed):
        note.parse(text)


@pytest.mark.parametrize("text", ["no newline", "a tab\t\n"])
def test_what_can_be_no_note_is_not_signed(text):
    with pytest.raises(Malformed):
        note.sign(text, KEY, PRIVATE.sign)


def test_the_published_checkpoint_reads_as_it_is_written():
    checkpoint = Checkpoint.parse(CHECKPOINT)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text() == CHECKPOINT


@pytest.mark.parametrize("size", ["", "01", "-1", "+1", "1.0", " 1", "1" * 30, "٣"])
def test_a_checkpoint_has_a_plain_number(size):
    with pytest.raises(Malformed):
        Checkpoint.parse(CHECKPOINT.replace("20852163", size))


@pytest.mark.parametrize("extension", ["\n", "told\n\n", "\ntold\n", "told\n\nmore\n"])
def test_an_extension_line_of_a_checkpoint_is_not_empty(extension):
    assert Checkpoint.parse(CHECKPOINT + "told\nmore\n").size == 20852163

    with pytest.raises(Malformed):
        Checkpoint.parse(CHECKPOINT + extension)


@pytest.mark.parametrize("extra", [None, b"", b"told beside it"])
@pytest.mark.parametrize("path", [(), (bytes(32), bytes(range(32)))])
def test_a_proof_in_a_file_reads_as_it_is_written(path, extra):
    proof = Proof(7, path, note.sign(CHECKPOINT, KEY, PRIVATE.sign), extra)

    assert proof.text().startswith("c2sp.org/tlog-proof@v1\n")
    assert Proof.parse(proof.text()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v2\nindex 1\n\n",
        "c2sp.org/tlog-proof@v1\n\n",
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n",
    ],
)
def test_what_is_no_proof_is_refused(text):
    with pytest.raises(Malformed):
        Proof.parse(text)
