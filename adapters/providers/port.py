"""The interface of a provider: it verifies, identifies and reads deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self

import msgspec

from core.event import Headers, Instant, Reading, Unreadable


class Verified(msgspec.Struct, frozen=True, gc=False):
    """Authentic. `by` is the configuration's name of the secret that matched (`env:NAME`, `file:PATH`), or None."""

    by: str | None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Not authentic. `reason` is a code for the stored rejection, `hint` a sentence for operators. Neither is sent
    back.
    """

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SignatureKey:
    """A MAC key and the configuration's name of the secret that it comes from."""

    ref: str
    value: bytes = field(repr=False)


class Claim(Protocol):
    """A signature as sent, before it is compared with a body and a key."""

    def made_with(self, key: bytes, body: bytes) -> bool: ...


class Secret(Protocol):
    """A secret and its name in the configuration (`env:NAME`, `file:PATH`). The name may be shown, the value never."""

    @property
    def ref(self) -> str: ...

    @property
    def value(self) -> str: ...


class Sender(Protocol):
    """A configured source, from which a provider is built. Each provider takes the settings that it knows."""

    @property
    def provider(self) -> str: ...

    @property
    def secrets(self) -> Sequence[Secret]: ...

    @property
    def node_ascii(self) -> bool: ...

    @property
    def event_type(self) -> str | None: ...


class Provider(Protocol):
    """A configured sender. The class declares the settings that it takes; the object verifies and reads."""

    name: ClassVar[str]
    """The provider's name in the configuration."""

    signed: ClassVar[bool]
    """False if the provider signs nothing. Every event is then marked `unsigned`."""

    types: ClassVar[frozenset[str]]
    """Every event type that the provider documents."""

    names: ClassVar[frozenset[str]]
    """Every field that the provider documents, by its name in the body."""

    type_fields: ClassVar[tuple[str, ...]]
    """The fields that may name the type."""

    @property
    def keys(self) -> Sequence[SignatureKey]:
        """The verifying keys; none if nothing is signed."""

    patience: ClassVar[Instant]
    """How long the sender waits for an answer, minus a margin. A later answer is useless."""

    beside: ClassVar[frozenset[str]]
    """Paths below the webhook URL that the sender requests for other purposes and that belong to the app."""

    settings: ClassVar[frozenset[str]]
    """The settings of a source that this provider takes beyond the common ones."""

    @classmethod
    def built_from(cls, sender: Sender) -> Self:
        """Builds the provider of a source. Raises ValueError if a secret is unusable."""

    @staticmethod
    def key_of(secret: str) -> bytes:
        """The MAC key of a secret's text. Raises ValueError, without the secret in the message."""

    def machine_of(self, kind: str) -> str:
        """The name of the machine that folds this provider's streams of that kind."""

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:
        """Tells whether the raw bytes are authentic. Never raises. `now=None` leaves the time window out (replay)."""

    def signed_again(self, headers: Headers, body: bytes, now: Instant) -> Headers:
        """Returns the headers with which to forward a stored delivery.

        If the scheme limits a signature's age, the delivery is signed again, with every configured secret and the same
        message id.
        """

    def claim(self, headers: Headers) -> Claim | Refused:
        """The signature as sent, for diagnosis."""

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads an authentic body. Never raises, whatever the bytes."""

    @property
    def keyed_by_body(self) -> bool:
        """Whether deliveries of one identity have the same body, and so the same time of occurrence."""

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:
        """The idempotency key's bytes, unique per source. The rule must never change, or a delivery would be recorded
        again.
        """
