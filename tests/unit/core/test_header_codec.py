"""Field lines, packed."""

from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.header_codec import as_stored, pack, unpack

MAC = b"x-wms-content-mac:hmac-sha256="
LINES = b"host:example.com\ncontent-type:application/json\naccept:*/*\nx-own:1\ncontent-length:133\n" + MAC + b"0f" * 32
PACKED = b"\x01\x02example.com\n\x80\x82\x00x-own:1\n\x03133\n\x01" + b"\x0f" * 32

words = st.sampled_from([b"host", b":", b"\n", b"accept:*/*", b"x-real-ip:", MAC, b"0" * 64, b"A" * 64, b"\x01", b" "])
alike = st.lists(words | st.binary(max_size=3)).map(b"".join)


def test_what_everybody_says_is_a_byte_and_a_mac_is_its_bytes():
    assert pack(LINES) == PACKED
    assert unpack(PACKED) == LINES


@given(st.binary() | alike)
@example(b"")
@example(b"\n\n")
@example(MAC + b"0F" * 32)
@example(MAC + b"0" * 63 + b"g")
@example(MAC + b"0" * 65)
@example(b"x-wms-content-mac:hmac-sha512=" + b"0" * 64)
@example(b"x-wms-content-mac:hmac-sha256:" + b"0" * 64)
def test_whatever_is_packed_comes_back(lines: bytes):
    assert unpack(pack(lines)) == lines


@given(st.binary() | alike.map(lambda rest: b"\x01" + rest))
@example(b"\x01")
@example(b"\x01\x80\xff")
@example(b"\x01\x00host:a\n")
@example(b"\x01\x00host:a")
@example(b"\x01\x01" + b"\x0f" * 31)
@example(b"\x02" + PACKED[1:])
def test_bytes_are_what_something_was_packed_to_or_they_are_refused(packed: bytes):
    try:
        lines = unpack(packed)
    except ValueError:
        assert as_stored(packed) == b"\xff" + packed
    else:
        assert pack(lines) == packed
        assert as_stored(packed) == lines


@pytest.mark.parametrize("code", [b"\x00\n", b"\x02\n", b"\x82", b"\xff", b"\x1f\n", b"\x01" + b"\n" * 32])
def test_nobody_can_have_much_unpacked_from_little(code: bytes):
    try:
        lines = unpack(b"\x01" + code * 10_000)
    except ValueError:
        lines = b""

    assert len(lines) <= 60 * len(code) * 10_000


@pytest.mark.parametrize("at", range(len(PACKED)))
def test_any_bit_of_what_is_packed_counts(at: int):
    for bit in range(8):
        altered = PACKED[:at] + bytes([PACKED[at] ^ 1 << bit]) + PACKED[at + 1 :]

        assert as_stored(altered) != LINES


def test_the_words_of_a_version_stay_what_they_were():
    names, lines = range(0x02, 0x1C), range(0x80, 0x8F)

    said = [unpack(b"\x01%c\n" % code) for code in names] + [unpack(b"\x01%c" % code) for code in lines]

    assert sha256(b"\n".join(said)).hexdigest() == "b4241a0e5351447cad747002696078d61c430d59356d6b0761b3abaed2273781"
