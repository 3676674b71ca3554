"""Keys of the log: how long they are, and where the second stands."""

from core.event import SECOND
from core.ids import KEY_BYTES, Ids

ids = Ids(b"s" * 32)
AT = 1_700_000_000 * SECOND
MAC = "b39d4c36fe3f257b2d962542d318fb34"


def test_a_key_is_half_of_a_mac():
    key = ids.key("clinic", b"one")

    assert key.hex() == MAC
    assert len(key) == min(KEY_BYTES)


def test_a_key_that_knows_its_second_begins_with_it():
    key = ids.key("clinic", b"one", AT + 5)

    assert key == (1_700_000_000).to_bytes(5) + ids.key("clinic", b"one")
    assert len(key) == max(KEY_BYTES)


def test_a_second_before_1970_stands_in_no_key():
    assert ids.key("clinic", b"one", -SECOND) == ids.key("clinic", b"one")


def test_keys_of_other_sources_and_secrets_are_others():
    made = {maker.key(source, b"one") for maker in (ids, Ids(b"t" * 32)) for source in ("clinic", "browser")}

    assert len(made) == 4
