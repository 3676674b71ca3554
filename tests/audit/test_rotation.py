"""The log's key is rotated: each vouches for the next one, in the log, and whoever trusts one of them comes to all."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from adapters.audit import (
    CheckpointSigner,
    CurrentKey,
    KeyChain,
    KeyReplaced,
    SigningKey,
    Verification,
    verify_log,
    vouch,
)
from adapters.sql import NotInForce, Rotation, Verified, rotate_key
from core.proofs.note import NotSigned, parse
from tests.support.audited import SIGNING, Audited

NAME = SIGNING.key.name
SECOND, THIRD, STRANGER = (SigningKey(bytes([number]) * 32, NAME) for number in (2, 3, 9))


def rotations(audited: Audited) -> list[Rotation]:
    with audited.tree.look() as view:
        return view.rotations()


def verified_from(audited: Audited, key: SigningKey, *kept: str) -> Verified:
    chain = KeyChain(key.key, rotations(audited))
    return verify_log(audited.engine, Verification(key.key, [chain.opened(note) for note in kept], audited.readers))


def told(audited: Audited) -> list[str]:
    """Who signed each checkpoint, by the key's id."""
    notes = [bytes(note).decode() for (note,) in audited.rows("SELECT note FROM checkpoints ORDER BY number")]
    return [parse(note).signatures[0].id.hex() for note in notes]


def grown_under(audited: Audited, *keys: SigningKey) -> list[str]:
    """A log that each of the keys signed for a while; one checkpoint of each."""
    notes = []
    for number, key in enumerate((SIGNING, *keys)):
        if number:
            audited.rotate(key)
        audited.grow(20)
        notes.append(audited.signer.checkpoint())
    return notes


def test_from_the_rotation_on_the_new_key_signs(audited: Audited):
    grown_under(audited, SECOND)

    assert told(audited) == [SIGNING.key.id.hex(), SECOND.key.id.hex()]
    assert [(one.key, one.since) for one in audited.signer.chain().keys] == [(SIGNING.key, 0), (SECOND.key, 21)]


@pytest.mark.parametrize("trusted", [SIGNING, SECOND, THIRD])
def test_whoever_trusts_one_of_the_keys_verifies_the_whole_log(audited: Audited, trusted: SigningKey):
    notes = grown_under(audited, SECOND, THIRD)

    verdict = verified_from(audited, trusted, *notes)

    assert (verdict.wrong, verdict.checkpoints, verdict.size) == (None, 3, 62)


def test_a_key_that_nothing_vouches_for_verifies_nothing(audited: Audited):
    grown_under(audited, SECOND)

    verdict = verified_from(audited, STRANGER)

    assert verdict.wrong is not None
    assert verdict.wrong.what == "checkpoint"


def test_the_old_key_signs_nothing_any_more(audited: Audited):
    old = audited.signer
    grown_under(audited, SECOND)
    audited.grow(1)

    for sign in (old.checkpoint, old.chain, lambda: old.attest("a text\nof ours\n")):
        with pytest.raises(KeyReplaced, match="the log's key was rotated"):
            sign()

    assert len(told(audited)) == 2


def test_what_was_signed_before_is_told_by_whom_it_was_signed(audited: Audited):
    old, new = grown_under(audited, SECOND)

    chain = audited.signer.chain()

    assert (chain.opened(old).size, chain.opened(new).size) == (20, 41)
    assert audited.signer.inclusion(5, 20).checkpoint == old


def test_a_checkpoint_of_the_old_key_over_what_came_after_it_is_wrong(audited: Audited):
    old = audited.signer
    audited.grow(20)
    audited.rotate(SECOND)
    audited.tree.seal()
    forged = SIGNING.sign(21, old.consistency(21, 21).first_root)
    with audited.engine.begin() as connection:
        insert = "INSERT INTO checkpoints (number, size, note) VALUES (1, 21, {})"
        held = f"X'{forged.encode().hex()}'" if connection.dialect.name == "sqlite" else f"'\\x{forged.encode().hex()}'"
        connection.exec_driver_sql(insert.format(held))

    verdict = verified_from(audited, SIGNING)

    assert verdict.wrong is not None
    assert (verdict.wrong.position, verdict.wrong.what) == (21, "checkpoint")


def test_only_the_key_in_force_is_replaced_and_else_nothing_happens(audited: Audited):
    grown_under(audited, SECOND)

    with pytest.raises(NotInForce):
        rotate_key(
            audited.engine, audited.log, audited.recorder, str(SIGNING.key), str(THIRD.key), vouch(SIGNING, THIRD)
        )

    assert audited.tree.head() == 41
    assert audited.signer.chain().newest == SECOND.key


def test_no_note_counts_that_one_of_both_keys_did_not_sign():
    text = parse(vouch(SIGNING, SECOND)).text
    notes = SIGNING.attest(text), SECOND.attest(text), STRANGER.sign_too(SIGNING.attest(text)), "no note", ""

    for note in notes:
        for key in (SIGNING, SECOND):
            assert KeyChain(key.key, [Rotation(7, note)]).newest == key.key


@pytest.mark.parametrize("name", ["another.example.com", ""])
def test_no_note_counts_that_is_of_another_log(name: str):
    one, other = SigningKey(b"k" * 32, name or None), SigningKey(b"l" * 32, name or None)

    assert KeyChain(SIGNING.key, [Rotation(7, vouch(one, other))]).newest == SIGNING.key


def test_a_note_that_is_put_into_the_log_again_changes_nothing(audited: Audited):
    grown_under(audited, SECOND, THIRD)
    (first, second) = rotations(audited)

    for again in ([first, second, Rotation(50, first.note)], [first, second, Rotation(50, second.note)]):
        for key in (SIGNING, SECOND, THIRD):
            assert KeyChain(key.key, again).keys == audited.signer.chain().keys


def test_keys_that_vouch_for_each_other_are_no_endless_chain():
    there, back = vouch(SIGNING, SECOND), vouch(SECOND, SIGNING)

    chain = KeyChain(SIGNING.key, [Rotation(5, there), Rotation(9, back)])

    assert len(chain.keys) <= 3


def test_each_size_has_one_key(audited: Audited):
    grown_under(audited, SECOND, THIRD)
    chain = audited.signer.chain()

    for one, following in pairwise(chain.keys):
        assert chain.at(following.since - 1) == one.key
        assert chain.at(following.since) == following.key
    with pytest.raises(NotSigned):
        chain.opened(THIRD.sign(chain.keys[-1].since - 1, b"r" * 32))


def test_checkpoints_that_are_made_while_the_key_is_rotated_are_right_all_the_same(database_url: str):
    keys = [SIGNING, *(SigningKey(bytes([number]) * 32, NAME) for number in range(20, 26))]
    writers = [Audited(database_url) for _ in range(3)]
    writers[0].grow(10)
    signing = CurrentKey(SIGNING)

    def seal(one: Audited) -> None:
        signer = CheckpointSigner(one.tree, signing)
        while signing.key is not keys[-1]:
            one.grow_alone(1)
            sign_if_in_force(signer)
        signer.checkpoint()

    def rotate(one: Audited) -> None:
        for key in keys[1:]:
            one.rotate(key)
            signing.key = key

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(seal, writers[0]), pool.submit(seal, writers[1]), pool.submit(rotate, writers[2])]:
            done.result()

    verdict = verified_from(writers[0], SIGNING)
    for one in writers:
        one.close()
    assert verdict.wrong is None


def sign_if_in_force(signer: CheckpointSigner) -> None:
    try:
        signer.checkpoint()
    except KeyReplaced:
        return
