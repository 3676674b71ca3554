"""The building blocks of scenarios: messages, and the context that supplies ids, time and randomness."""

import json
from random import Random
from typing import Any

import msgspec

from core.event import SECOND, Instant
from core.instants import moment_of


class Message(msgspec.Struct, frozen=True):
    """A body as a provider would send it. `identity` is its `svix-id`, for those who have one."""

    body: bytes
    identity: str = ""


class ScenarioContext:
    """The random source and simulated clock of one scenario. The same seed gives the same messages.

    `now` is simulated and moves only by `wait`. `package` is the app that the glasses run.
    """

    def __init__(self, random: Random, now: Instant, package: str = "com.example.captions") -> None:
        self.random = random
        self.now = now
        self.package = package

    def wait(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

    def token(self, length: int = 12) -> str:
        """Returns a random identifier of `length` hexadecimal digits."""
        return self.random.randbytes(length).hex()[:length]

    def uuid(self) -> str:
        digits = self.token(32)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def seconds(self) -> int:
        """The simulated time in whole seconds since 1970."""
        return self.now // SECOND

    def iso(self) -> str:
        """The simulated time in ISO 8601 with milliseconds and `Z`."""
        return moment_of(self.now).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(fields: dict[str, Any]) -> bytes:
    """JSON as the providers' JavaScript writes it: no spaces, the fields in their order, no escapes beyond need."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
