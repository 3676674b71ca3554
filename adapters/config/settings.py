"""The validated settings of a service."""

from enum import StrEnum
from pathlib import Path

import msgspec

from core.event import SECOND, Instant

MAX_BODY = 262_144
"""The default of the largest accepted body in bytes: 256 KiB."""

CHECKPOINT_EVERY = 60 * SECOND
"""The default interval of checkpoints."""

ANSWER_WITHIN = 7 * SECOND
"""The default time for the log to commit a delivery. Its sender may give up after 10 seconds."""


RETRY_FOR = 86_400 * SECOND
"""The default time from the first delivery attempt to the last."""

RELAYED_WITHIN = 30 * SECOND
"""The default time for a handler's response if no sender waits for it."""

SPOOL_BYTES = 256 << 20
"""The default size of a source's spool in bytes."""

MOST_FORWARDS = 256
"""The default number of concurrent deliveries to a source's handler."""


class ConfigError(Exception):
    """An invalid setting, which stops the start. The message names the file, the key and what to do, and no secret."""

    def __init__(self, where: object, key: str, mend: str) -> None:
        super().__init__(f"{where}: {key}: {mend}" if key else f"{where}: {mend}")


class Secret(msgspec.Struct, frozen=True):
    """A secret and its reference in the configuration: `env:NAME` or `file:PATH`. Its repr has only the reference.

    `absent` is the missing file of a secret that the first start creates.
    """

    ref: str
    value: str
    absent: Path | None = None

    def text(self, key: str) -> str:
        """The secret. Raises ConfigError, which names `key`, if its file is missing: another secret would not do."""
        if self.absent is not None:
            raise self.missing(key)
        return self.value

    def missing(self, key: str) -> ConfigError:
        """The error about the missing file of the secret `key`, with what to do."""
        mend = "this file is missing: give it back, for only the first start with a new database makes one"
        return ConfigError(self.absent, key, mend)

    def __repr__(self) -> str:
        return f"Secret({self.ref!r})"


class Forward(msgspec.Struct, frozen=True):
    """The handler of a source (`mode = "proxy"` or `"relay"`).

    `to` is its http or https URL, `within` the microseconds from a delivery's arrival to the end of its response,
    `most` the concurrent deliveries of one process. `observe`: deliveries with invalid signatures are forwarded, too.
    `retry_for` are the microseconds of retries in mode `relay`, else None. `spool` is the size of the spool in bytes;
    None: deliveries are refused while the log cannot commit.
    """

    to: str
    within: Instant
    most: int = MOST_FORWARDS
    observe: bool = False
    retry_for: Instant | None = None
    spool: int | None = None

    @property
    def mode(self) -> str:
        """The configured mode."""
        return "proxy" if self.retry_for is None else "relay"


class Polling(msgspec.Struct, frozen=True):
    """The provider's API, queried for unfinished actions, `every` so many microseconds; None: only by command."""

    url: str
    key: Secret
    every: Instant | None = None


class Rate(msgspec.Struct, frozen=True):
    """A rate limit of `count` in `seconds`, which may all come at once."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.count} in {self.seconds} s"


class Source(msgspec.Struct, frozen=True):
    """One configured webhook sender. Durations are microseconds. Settings that its provider lacks have their defaults.

    `forward` is None in mode `record`. `rate` limits the deliveries of each serving process. After `silent_after`
    (None: a day) without an event it is silent. `path_secret` must follow the name in the path. Without
    `allowed_websocket_hosts`, all hosts are allowed.
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
        """Its path below `/in/`."""
        return self.name if self.path_secret is None else f"{self.name}/{self.path_secret.value}"

    def others(self) -> dict[str, str | float]:
        """Its optional settings that are set, by name; durations in seconds."""
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
    """The permissions of a token in the query API."""

    READ = "read"
    """Read states, lists, timelines, events and proofs."""
    RAW = "raw"
    """Read bodies and headers as sent, also in bundles."""
    ACT = "act"
    """Report actions; plan and confirm replays."""


class Token(msgspec.Struct, frozen=True):
    """A bearer token of the query API: its name, secret and scopes.

    `sources` are the only sources that it covers; none means all.
    """

    name: str
    secret: Secret
    scopes: tuple[Scope, ...]
    sources: tuple[str, ...] = ()

    @property
    def only(self) -> frozenset[str] | None:
        """The same as a set; None: all sources."""
        return frozenset(self.sources) or None


class Service(msgspec.Struct, frozen=True):
    """The settings of the whole service. `secret` keys our ids (32 bytes if created here), `max_body` is in bytes.

    `signing_key` is the Ed25519 key of the log's checkpoints in 64 hex digits, `origin` the log's name in them (null:
    derived from the key). `log_name` is the name from the first key, once it is known; `origin` takes precedence. While
    the log grows, checkpoints are `checkpoint_every` microseconds apart. A delivery that is not committed within
    `answer_within` microseconds gets 503. `peer_rate` limits the requests of a peer to each serving process;
    `trusted_proxies` are networks whose `X-Forwarded-For` names the peer. `read_database_url` is a replica for queries,
    `base_url` the external URL without a trailing slash, `spool_folder` the folder of the spools.
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
        """The key of ids and hashes."""
        return self.secret.text("service.secret").encode("utf-8", "surrogateescape")

    @property
    def seed(self) -> bytes:
        """The 32 bytes of the private key."""
        return bytes.fromhex(self.signing_key.text("service.signing_key"))

    def others(self) -> dict[str, str | float]:
        """The settings that may change between starts, by name; durations in seconds."""
        return {
            "answer_within": self.answer_within / SECOND,
            "checkpoint_every": self.checkpoint_every / SECOND,
            "max_body": self.max_body,
            **({"base_url": self.base_url} if self.base_url else {}),
            **({"peer_rate": str(self.peer_rate)} if self.peer_rate else {}),
            **({"trusted_proxies": " ".join(self.trusted_proxies)} if self.trusted_proxies else {}),
        }


class Settings(msgspec.Struct, frozen=True):
    """All settings, from the file and the environment. `database_url` may contain a password and is not in the repr.

    `tokens` are by name; without any, the query API needs none.
    """

    path: Path
    service: Service
    sources: dict[str, Source]
    database_url: str
    port: int
    tokens: dict[str, Token] = {}

    @property
    def paths(self) -> dict[str, str]:
        """The path secrets of sources, by name."""
        found = {name: source.path_secret for name, source in self.sources.items()}
        return {name: secret.value for name, secret in found.items() if secret is not None}

    @property
    def base(self) -> str:
        """The beginning of URLs that are shown."""
        return self.service.base_url or f"http://127.0.0.1:{self.port}"

    def __repr__(self) -> str:
        return f"Settings({str(self.path)!r}, sources={sorted(self.sources)!r})"
