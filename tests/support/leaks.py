"""What no log line and no metric may tell: a secret, an e-mail address, what a body says."""

import re
from collections.abc import Iterable

from tests.support.sources import SECRETS

FORBIDDEN = {
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.IGNORECASE),
    "a raw body": re.compile(
        r"(?<!payload has no )\b(?:sessionId|userId|actionId|measurementId)\b(?! is (?:missing|not an id))"
    ),
    "a signature": re.compile(r"hmac-sha256=[0-9a-f]|\bv1,[A-Za-z0-9+/]{8}"),
    "a secret": re.compile(r"whsec_[A-Za-z0-9+/]{8}|-secret-0123456789|-token-0123456789"),
}


def leaks(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """The lines that tell what they may not, each behind what that is."""
    known = [secret for secret in (*SECRETS.values(), *secrets) if secret]
    return [f"{what}: {line}" for line in text.splitlines() for what in _told(line, known)]


def _told(line: str, secrets: Iterable[str]) -> list[str]:
    found = [what for what, pattern in FORBIDDEN.items() if pattern.search(line)]
    return [*found, *("a secret" for secret in secrets if secret in line)]
