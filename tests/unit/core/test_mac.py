"""HMAC as the standard library has it, and RFC 4231."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from core.mac import mac


@given(st.binary(max_size=200), st.binary())
def test_it_is_the_standard_librarys(key: bytes, message: bytes):
    assert mac(key, message) == hmac.digest(key, message, "sha256")


def test_one_key_makes_one_mac_after_the_other():
    first, second = mac(b"Jefe", b"one"), mac(b"Jefe", b"what do ya want for nothing?")

    assert first == hmac.digest(b"Jefe", b"one", "sha256")
    assert second.hex().startswith("5bdcc146bf60754e6a042426089575c7")  # RFC 4231, test case 2
