"""Diagnoses invalid signatures: what was signed instead, or with whose secret. For operators, never for the sender.

The work per delivery is bounded, because anybody may send one: hashed bytes are limited, and large bodies are not
parsed.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from adapters.providers.port import Claim, SignatureKey
from core.words import OF_ANOTHER

MOST_HASHED = 1 << 20
"""The bytes that all attempts together may hash."""
MOST_STRANGERS = 64
"""The most secrets of other sources that are tried."""
LARGEST_PARSED = 16_384
"""The largest body that is encoded again, which costs far more than a MAC."""

_OVERHEAD = 128
"""The fixed cost of a MAC in bytes."""
_MEND = "what signs has to sign the bytes that it sends, and what is on the way has to pass them as they are"

Attempt = tuple[str, Sequence[SignatureKey], bytes]


def diagnose(claim: Claim, keys: Sequence[SignatureKey], strangers: Sequence[SignatureKey], body: bytes) -> str | None:
    """Explains a signature that no key of its own source verifies. Returns a hint, or None if no attempt matches.

    `claim` is the signature as sent. `strangers` are the keys of other sources. Secrets are named as in the
    configuration.
    """
    left = MOST_HASHED
    for words, tried, message in _attempts(keys, strangers, body):
        for key in tried:
            left -= len(message) + _OVERHEAD
            if left < 0:
                return "no secret that was tried made it; the body is too large for all to be tried"
            if claim.made_with(key.value, message):
                return words.format(key.ref)
    return None


def tried(body: bytes) -> str:
    """Describes the variants of a body that `diagnose` tries, as words for a message."""
    lines = "with other line ends"
    return lines if len(body) > LARGEST_PARSED else f"{lines} or as JSON written otherwise"


def _attempts(keys: Sequence[SignatureKey], strangers: Sequence[SignatureKey], body: bytes) -> Iterator[Attempt]:
    """The attempts, the likeliest and cheapest first."""
    own = {key.value for key in keys}
    others = list(islice((key for key in strangers if key.value not in own), MOST_STRANGERS))
    yield (
        f"it matches under {{}} {OF_ANOTHER}: the sender has this one's URL, or the other one's secret",
        others,
        body,
    )
    for change, message in _changed(body):
        yield f"the secret {{}} is right, but it signed {change}: {_MEND}", keys, message


def _changed(body: bytes) -> Iterator[tuple[str, bytes]]:
    if body.endswith(b"\n"):
        yield "the body with a line feed less at the end", body.removesuffix(b"\n").removesuffix(b"\r")
    yield "the body with a line feed more at the end", body + b"\n"
    if b"\r\n" in body:
        yield "the body with line feeds instead of CR LF", body.replace(b"\r\n", b"\n")
    elif b"\n" in body:
        yield "the body with CR LF instead of line feeds", body.replace(b"\n", b"\r\n")
    if body.startswith(b"\xef\xbb\xbf"):
        yield "the body without the byte order mark", body[3:]
    yield from ((f"the same JSON written otherwise ({how})", message) for how, message in _written_anew(body))


def _written_anew(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The body's content as common libraries would encode it."""
    if len(body) > LARGEST_PARSED:
        return
    try:
        document = json.loads(body)
        ways = [(how, json.dumps(document, **form).encode()) for how, form in _FORMS]
    except (ValueError, RecursionError):  # not JSON, or JSON that no library writes
        return
    yield from ways


_FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("compact", {"ensure_ascii": False, "separators": (",", ":")}),
    ("with spaces behind , and :", {"ensure_ascii": False}),
    ("compact and in ASCII", {"separators": (",", ":")}),
    ("with spaces behind , and :, in ASCII", {}),
    ("indented by two", {"ensure_ascii": False, "indent": 2}),
    ("compact with names in order", {"ensure_ascii": False, "separators": (",", ":"), "sort_keys": True}),
)
