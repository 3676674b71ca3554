"""What the service runs with, after everything was found to be right."""

from enum import StrEnum
from pathlib import Path

import msgspec

from core.event import SECOND, Instant

MAX_BODY = 262_144
"""Bytes of the largest body that is taken, unless configured: 256 KiB."""

CHECKPOINT_EVERY = 60 * SECOND
"""Between two checkpoints, unless configured."""

ANSWER_WITHIN = 7 * SECOND
"""For the log to commit a delivery, unless configured: its sender may give up after 10 seconds."""


RETRY_FOR = 86_400 * SECOND
"""From the first attempt to deliver to a handler to the last one, unless configured."""

RELAYED_WITHIN = 30 * SECOND
"""For a handler to answer a delivery that no sender waits for, unless configured."""

SPOOL_BYTES = 256 << 20
"""Of deliveries of a source that wait in files for the database, unless configured."""

MOST_FORWARDS = 256
"""Deliveries of a source that are with its handler at a time, unless configured."""


class ConfigError(Exception):
    """A setting that stops the start. The text names the file, the key and the mend, and tells no secret."""

    def __init__(self, where: object, key: str, mend: str) -> None:
        super().__init__(f"{where}: {key}: {mend}" if key else f"{where}: {mend}")


class Secret(msgspec.Struct, frozen=True):
    """A secret's text and how the configuration names it: `env:NAME` or `file:PATH`. Its repr tells the name only.

    `absent`: the file that is not there, of a secret that a first start makes.
    """

    ref: str
    value: str
    absent: Path | None = None

    def text(self, key: str) -> str:
        """The secret. Raises ConfigError, naming `key`, where its file is absent: another one is of no use."""
        if self.absent is not None:
            raise self.missing(key)
        return self.value

    def missing(self, key: str) -> ConfigError:
        """What is to be done about the absent file of the secret that `key` names."""
        mend = "this file is missing: give it back, for only the first start with a new database makes one"
        return ConfigError(self.absent, key, mend)

    def __repr__(self) -> str:
        return f"Secret({self.ref!r})"


class Forward(msgspec.Struct, frozen=True):
    """Where a source's deliveries go on to, for their answers to go back (`mode = "proxy"`).

    `to`: an http or https URL; `within`: microseconds from a delivery's arrival to the end of its answer; `most`:
    deliveries of one process that are with the handler at a time; `observe`: what does not verify goes on, too.
    `retry_for`: microseconds in which it is tried again, behind our own answer (`mode = "relay"`); else None.
    `spool`: bytes of deliveries that may wait in files while the database takes none; None where they are refused.
    """

    to: str
    within: Instant
    most: int = MOST_FORWARDS
    observe: bool = False
    retry_for: Instant | None = None
    spool: int | None = None

    @property
    def mode(self) -> str:
        """As it is configured."""
        return "proxy" if self.retry_for is None else "relay"


class Polling(msgspec.Struct, frozen=True):
    """The provider's API, asked for actions that no webhook has ended. `every`: microseconds; None: by command."""

    url: str
    key: Secret
    every: Instant | None = None


class Rate(msgspec.Struct, frozen=True):
    """So many in so many seconds, and as many of them at once."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.count} in {self.seconds} s"


class Source(msgspec.Struct, frozen=True):
    """One configured webhook sender. Durations are microseconds; what a provider does not take has its default.

    `forward`: None where we answer ourselves (`mode = "record"`). `rate`: how many deliveries a serving process takes.
    `silent_after`: how long it may send nothing; None: a day. `path_secret`: what has to stand in the path behind the
    name. `allowed_websocket_hosts`: none means all.
    """

    name: str
    provider: str
    secrets: tuple[Secret, ...] = ()
    node_ascii: bool = False
    event_type: str | None = None
    overdue_after: Instant | None = None
    package_name: str | None = None
    presumed_ended_after: Instant | None = None
    keep_for: Instant | None = None
    silent_after: Instant | None = None
    forward: Forward | None = None
    rate: Rate | None = None
    path_secret: Secret | None = None
    allowed_websocket_hosts: tuple[str, ...] = ()
    polling: Polling | None = None

    @property
    def path(self) -> str:
        """Where it receives, below `/in/`."""
        return self.name if self.path_secret is None else f"{self.name}/{self.path_secret.value}"

    def others(self) -> dict[str, str | float]:
        """What only some sources have, by name, where it is set; durations in seconds."""
        words: dict[str, str | None] = {"event_type": self.event_type, "package_name": self.package_name}
        if self.allowed_websocket_hosts:
            words["allowed_websocket_hosts"] = " ".join(self.allowed_websocket_hosts)
        if self.forward is not None:
            words |= {"mode": self.forward.mode, "signature": "observe" if self.forward.observe else "enforce"}
            words |= {"on_store_failure": None if self.forward.spool is None else "spool"}
        words |= {"rate": str(self.rate) if self.rate else None}
        durations = {
            "overdue_after": self.overdue_after,
            "presumed_ended_after": self.presumed_ended_after,
            "silent_after": self.silent_after,
        }
        return {name: word for name, word in words.items() if word is not None} | {
            name: duration / SECOND for name, duration in durations.items() if duration is not None
        }


class Scope(StrEnum):
    """What a token lets its holder do with the query API."""

    READ = "read"
    """Ask for states, lists, timelines, events, proofs."""
    RAW = "raw"
    """Get bodies and headers as they were sent, also in bundles."""
    ACT = "act"
    """Tell of actions; plan and confirm replays."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token of the query API: its name, its secret, and what it lets its holder do.

    `sources`: the only ones that its holder may know of; none means all.
    """

    name: str
    secret: Secret
    scopes: tuple[Scope, ...]
    sources: tuple[str, ...] = ()

    @property
    def only(self) -> frozenset[str] | None:
        """The same; None where it is not limited."""
        return frozenset(self.sources) or None


class Service(msgspec.Struct, frozen=True):
    """What belongs to no source: the secret that keys our ids (32 bytes when made here), the largest body in bytes.

    `signing_key`: 64 hex digits, the Ed25519 key of the log's checkpoints; `origin`: the log's name in them (null: made
    of the key); `checkpoint_every`: microseconds between two while the log grows; `answer_within`: microseconds behind
    which a delivery that is not committed yet is answered all the same, with 503. `peer_rate`: how many requests a
    serving process takes from one peer; `trusted_proxies`: networks whose `X-Forwarded-For` says who that is;
    `read_database_url`: a replica of the database, where questions are put. `log_name`: what the log was named after
    its first key, once that is known; an `origin` goes before.
    `base_url`: how the service is reached from outside, without a slash at its end.
    `spool_folder`: where deliveries wait for a database that takes none.
    """

    secret: Secret
    signing_key: Secret
    origin: str | None = None
    checkpoint_every: Instant = CHECKPOINT_EVERY
    max_body: int = MAX_BODY
    answer_within: Instant = ANSWER_WITHIN
    peer_rate: Rate | None = None
    trusted_proxies: tuple[str, ...] = ()
    read_database_url: Secret | None = None
    log_name: str | None = None
    base_url: str | None = None
    spool_folder: Path = Path("var/spool")

    @property
    def key(self) -> bytes:
        """What ids and hashes are keyed with."""
        return self.secret.text("service.secret").encode("utf-8", "surrogateescape")

    @property
    def seed(self) -> bytes:
        """The 32 bytes of the private key."""
        return bytes.fromhex(self.signing_key.text("service.signing_key"))

    def others(self) -> dict[str, str | float]:
        """What the log itself does not hold to, by name; durations in seconds."""
        return {
            "answer_within": self.answer_within / SECOND,
            "checkpoint_every": self.checkpoint_every / SECOND,
            "max_body": self.max_body,
            **({"base_url": self.base_url} if self.base_url else {}),
            **({"peer_rate": str(self.peer_rate)} if self.peer_rate else {}),
            **({"trusted_proxies": " ".join(self.trusted_proxies)} if self.trusted_proxies else {}),
        }


class Settings(msgspec.Struct, frozen=True):
    """Everything, from the file and the environment. `database_url` may hold a password and is not in the repr.

    `tokens`: by name; without any, the query API asks for none.
    """

    path: Path
    service: Service
    sources: dict[str, Source]
    database_url: str
    port: int
    tokens: dict[str, Token] = {}

    @property
    def paths(self) -> dict[str, str]:
        """What has to stand in the paths of sources, by name."""
        found = {name: source.path_secret for name, source in self.sources.items()}
        return {name: secret.value for name, secret in found.items() if secret is not None}

    @property
    def base(self) -> str:
        """What the URLs that we tell begin with."""
        return self.service.base_url or f"http://127.0.0.1:{self.port}"

    def __repr__(self) -> str:
        return f"Settings({str(self.path)!r}, sources={sorted(self.sources)!r})"
