"""Message authentication over raw bytes: Svix / Standard Webhooks, and the MAC of WMS.

Strict on purpose: malformed input is refused, never an exception, and comparisons take constant time. Standard
Webhooks: https://github.com/standard-webhooks/standard-webhooks, "Signature scheme".
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.providers.port import Claim, Refused, SignatureKey, Verified
from core.event import SECOND, Headers, Instant
from core.mac import mac

TOLERANCE: Instant = 300 * SECOND
"""How far a Svix timestamp may deviate from our clock, both ways."""

SVIX = ("svix-id", "svix-timestamp", "svix-signature")
STANDARD = ("webhook-id", "webhook-timestamp", "webhook-signature")
WMS = "x-wms-content-mac"

SHORTEST_KEY = 16
"""In bytes. Svix's own keys have 24; a short key can be guessed."""

_MOST_TOKENS = 16
_ID = re.compile(r"[!-~]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_TOKEN = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_WMS_MAC = re.compile(r"hmac-sha256=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SvixClaim:
    """The sent id and timestamp, as the start of the signed text, and the signatures."""

    prefix: bytes
    timestamp: int
    tokens: Sequence[str]

    def made_with(self, key: bytes, body: bytes) -> bool:
        """Whether the key makes one of the signatures over the body."""
        expected = _svix_token(key, self.prefix + body)
        return any(hmac.compare_digest(token, expected) for token in self.tokens)


@dataclass(frozen=True, slots=True)
class WmsClaim:
    """The sent MAC."""

    sent: bytes

    def made_with(self, key: bytes, body: bytes) -> bool:
        """Whether the key makes this MAC over the body."""
        return hmac.compare_digest(mac(key, body), self.sent)


def svix_key(secret: str) -> bytes:
    """The key in `whsec_<base64>`. Prefix and padding may be missing, as in Svix's library.

    Raises ValueError without the secret in the message, also for surplus bits, which mean that its end is probably
    missing.
    """
    encoded = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = None
    if key is None or b64encode(key).decode().rstrip("=") != encoded:
        raise ValueError("it is not base64 behind whsec_, or not all of it")
    if not key:
        raise ValueError("it is empty")
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"its key has {len(key)} bytes, which can be guessed: Svix makes 24, take the whole secret")
    return key


def wms_key(secret: str) -> bytes:
    """The secret's text itself, as in WMS. Raises ValueError if it is empty."""
    if not secret:
        raise ValueError("it is empty")
    return secret.encode("utf-8", "surrogateescape")  # an environment variable may hold bytes that are not text


def svix_id(headers: Headers) -> str:
    """The message id of a verified delivery, from the verified triple of headers."""
    name = _triple(headers)[0]
    return next((value for sent, value in headers if sent == name), "")


def verify_svix(keys: Sequence[SignatureKey], headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:
    """Verifies either triple of headers. Checks the time last, so only authentic deliveries are `stale` or `future`."""
    claim = svix_claim(headers)
    if isinstance(claim, Refused):
        return claim
    by = _maker(keys, claim, body)
    if by is None:
        return Refused("signature_mismatch", "no configured secret made this signature")
    return _in_time(claim.timestamp * SECOND, now) or Verified(by)


def svix_claim(headers: Headers) -> SvixClaim | Refused:
    """The claim in either triple of headers."""
    found = _values(headers, _triple(headers))
    if isinstance(found, Refused):
        return found
    message_id, timestamp, signature = found
    if _ID.fullmatch(message_id) is None:
        return Refused("id_malformed", "the message id is not 1 to 256 visible ASCII characters")
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return Refused("timestamp_malformed", "the timestamp is not 1 to 12 digits")
    tokens = [token for token in signature.split(" ", _MOST_TOKENS)[:_MOST_TOKENS] if _TOKEN.fullmatch(token)]
    if not tokens:
        return Refused("signature_malformed", f"no v1 token among the first {_MOST_TOKENS}")
    return SvixClaim(f"{message_id}.{timestamp}.".encode(), int(timestamp), tokens)


def _triple(headers: Headers) -> tuple[str, str, str]:
    """The complete triple, Svix's if both are complete. A stray header of one must not hide the other."""
    sent = {name for name, value in headers if value}
    named = SVIX if any(name in SVIX for name, _ in headers) else STANDARD
    return next((triple for triple in (SVIX, STANDARD) if sent.issuperset(triple)), named)


def _values(headers: Headers, names: Sequence[str]) -> list[str] | Refused:
    """The single value of each name. A repeated header is refused even if one value is good."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in names:
            if name in found:
                return Refused("signature_repeated", f"{name} came more than once")
            found[name] = value
    missing = [name for name in names if not found.get(name)]
    return Refused("signature_missing", f"{missing[0]} is missing or empty") if missing else [found[n] for n in names]


def _maker(keys: Sequence[SignatureKey], claim: Claim, body: bytes) -> str | None:
    return next((key.ref for key in keys if claim.made_with(key.value, body)), None)


def _svix_token(key: bytes, message: bytes) -> str:
    return "v1," + b64encode(mac(key, message)).decode()


def _in_time(sent: Instant, now: Instant | None) -> Refused | None:
    if now is not None and sent < now - TOLERANCE:
        ago = (now - sent) // SECOND
        return Refused("stale", f"signed, but more than 300 s ago: {ago} s; it was held back, or a clock is off")
    if now is not None and sent > now + TOLERANCE:
        ahead = (sent - now) // SECOND
        return Refused("future", f"signed, but more than 300 s ahead of our clock: {ahead} s; a clock is off")
    return None


def verify_wms(keys: Sequence[SignatureKey], headers: Headers, body: bytes, *, node_ascii: bool) -> Verified | Refused:
    """Verifies the MAC over the raw bytes, and over Node's `ascii` conversion of them if that is enabled and safe."""
    claim = wms_claim(headers)
    if isinstance(claim, Refused):
        return claim
    by = _maker(keys, claim, body)
    if by is not None:
        return Verified(by)
    by = None if body.isascii() else _maker(keys, claim, node_ascii_bytes(body))
    if by is None:
        return Refused("signature_mismatch", "no configured secret made this MAC")
    if node_ascii and _one_meaning(body):
        return Verified(by)
    return Refused("node_ascii_only", "the MAC matches only under node-ascii, which is forgeable: see node_ascii")


def wms_claim(headers: Headers) -> WmsClaim | Refused:
    """The claim in the header."""
    found = _values(headers, (WMS,))
    if isinstance(found, Refused):
        return found
    match = _WMS_MAC.fullmatch(found[0])
    if match is None:
        return Refused("signature_malformed", "not hmac-sha256= and 64 lower-case hex digits")
    return WmsClaim(bytes.fromhex(match[1]))


def node_ascii_bytes(body: bytes) -> bytes:
    """The bytes that `hmac.update(body.toString(), "ascii")` hashes in Node: the low byte of each UTF-16 unit."""
    return body.decode("utf-8", "replace").encode("utf-16-le")[::2]


def _one_meaning(body: bytes) -> bool:
    """Whether no other body has this MAC: all code points are up to U+00FF, and their low bytes are not valid UTF-8.

    The latter is needed because a MAC over raw bytes is accepted too: that of `é` (C3 A9) would pass for `Ã©`.
    """
    try:
        low = body.decode().encode("latin-1")
    except UnicodeError:
        return False
    try:
        low.decode()
    except UnicodeDecodeError:
        return True
    return False


def sign_svix(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery signed at `timestamp` (Unix seconds). Raises ValueError if the secret is unusable."""
    token = _svix_token(svix_key(secret), f"{message_id}.{timestamp}.".encode() + body)
    return dict(zip(SVIX, (message_id, str(timestamp), token), strict=True))


def renew_svix(keys: Sequence[SignatureKey], headers: Headers, body: bytes, now: Instant) -> Headers:
    """The headers of the same delivery, signed now with every key; unchanged if it has no id."""
    triple, message_id = _triple(headers), svix_id(headers)
    if not message_id:
        return headers
    signed = f"{message_id}.{now // SECOND}.".encode() + body
    tokens = " ".join(_svix_token(key.value, signed) for key in keys)
    others = [(name, value) for name, value in headers if name not in {*SVIX, *STANDARD}]
    return [*others, *zip(triple, (message_id, str(now // SECOND), tokens), strict=True)]


def sign_wms(secret: str, body: bytes) -> dict[str, str]:
    """The header of a delivery, with its MAC over the raw bytes."""
    return {WMS: "hmac-sha256=" + mac(wms_key(secret), body).hex()}
