"""What every provider offers: is it authentic, what identifies it, what does it say."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self

import msgspec

from core.event import Headers, Instant, Reading, Unreadable


class Verified(msgspec.Struct, frozen=True, gc=False):
    """Authentic. `by` names the secret that matched as the configuration does (`env:NAME`, `file:PATH`), or is None."""

    by: str | None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Not authentic. `reason` is a code for the kept rejection, `hint` a sentence for the on-call; none is answered."""

    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SignatureKey:
    """A MAC key and the configuration's name of the secret that it comes from."""

    ref: str
    value: bytes = field(repr=False)


class Claim(Protocol):
    """A signature as it was sent, whatever the body and the key."""

    def made_with(self, key: bytes, body: bytes) -> bool: ...


class Secret(Protocol):
    """A secret and how the configuration names it (`env:NAME`, `file:PATH`): the name may be told, the value never."""

    @property
    def ref(self) -> str: ...

    @property
    def value(self) -> str: ...


class Sender(Protocol):
    """What a provider is built from: one configured source, of which each provider takes what it knows."""

    @property
    def provider(self) -> str: ...

    @property
    def secrets(self) -> Sequence[Secret]: ...

    @property
    def node_ascii(self) -> bool: ...

    @property
    def event_type(self) -> str | None: ...


class Provider(Protocol):
    """One configured sender. Its class says what it takes of the configuration, its object verifies and reads."""

    name: ClassVar[str]
    """The provider's name in the configuration."""

    signed: ClassVar[bool]
    """False where nothing protects what arrives: every event is then marked `unsigned`."""

    types: ClassVar[frozenset[str]]
    """Every event type that the provider documents."""

    names: ClassVar[frozenset[str]]
    """Every field that the provider documents, by its name in the body."""

    type_fields: ClassVar[tuple[str, ...]]
    """The fields that may name the type."""

    @property
    def keys(self) -> Sequence[SignatureKey]:
        """What verifies; none where nothing is signed."""

    patience: ClassVar[Instant]
    """How long this sender waits for an answer, and a little less: what it is given behind that is for nobody."""

    beside: ClassVar[frozenset[str]]
    """What it asks of an app beside webhooks, below the URL that it has: paths that are the app's own business."""

    settings: ClassVar[frozenset[str]]
    """The keys of a source's configuration that only some providers take."""

    @classmethod
    def built_from(cls, sender: Sender) -> Self:
        """The provider of one source. Raises ValueError where a secret cannot be one."""

    @staticmethod
    def key_of(secret: str) -> bytes:
        """The MAC key that a secret's text stands for. Raises ValueError, without telling the secret."""

    def machine_of(self, kind: str) -> str:
        """The name of the machine that folds this provider's streams of that kind."""

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:
        """Tells whether the raw bytes are authentic. Never raises. `now=None` leaves the time window out (replay)."""

    def signed_again(self, headers: Headers, body: bytes, now: Instant) -> Headers:
        """The headers of a delivery that goes out later than it came: where a signature holds for minutes, a new one.

        It is made with every configured secret, and has the same message id.
        """

    def claim(self, headers: Headers) -> Claim | Refused:
        """The signature as it was sent, for whoever looks why it does not hold."""

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads an authentic body. Never raises, whatever the bytes."""

    @property
    def keyed_by_body(self) -> bool:
        """True where two deliveries of one identity have one body, and so one time of occurrence."""

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:
        """The idempotency key's bytes, unique per source. For ever: another rule would let a delivery in again."""
