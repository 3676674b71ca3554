"""A small log with every kind of event in it, its tree, its checkpoints, and hands that reach behind the triggers."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey, Verification, opened, verify_log, vouch
from adapters.sql import LOG_KEY, Entry, ImportedEvent, Importer, Tree, Verified, claim, recompute, rotate_key
from adapters.sql.log.seal import seal
from core.event import Reading
from core.header_codec import unpack
from core.proofs.leaf import Columns, leaf
from core.proofs.note import Checkpoint
from tests.support.erasing import Erasing
from tests.support.logs import IDS, NOON, wms

SIGNING = SigningKey(bytes(range(32)), "log.example.com")

_TRIGGERS = {
    "sqlite": "SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT 'DROP TRIGGER ' || tgname || ' ON ' || tgrelid::regclass FROM pg_trigger"
    " WHERE NOT tgisinternal",
}


class Audited(Erasing):
    """A log with a signer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.tree = Tree(self.engine)
        self.signer = CheckpointSigner(self.tree, CurrentKey(SIGNING))
        self.readers = {name: lambda _kind, body, read=source.read: read(body) for name, source in self.sources.items()}

    def grow(self, count: int) -> None:
        """Appends so many events of one kind, in batches."""
        head = self.tree.head()
        entries = [self.entry("clinic", wms(f"session-{head}", number)) for number in range(count)]
        for start in range(0, count, 256):
            self.log.append(entries[start : start + 256])

    def grow_alone(self, count: int) -> None:
        """Appends events of a session of this writer's own."""
        head = self.tree.head()
        self.log.append([self.entry("clinic", wms(f"session-{id(self)}-{head}", number)) for number in range(count)])

    def grow_of_every_kind(self, start: int, end: int) -> None:
        """Appends known and unknown types, what cannot be read, with and without headers and sequence."""
        for number in range(start, end):
            self.log.append([self._one_of_every_kind(number)])

    def take(self, start: int, end: int) -> None:
        """Imports events of another log, behind what is here: they keep where they come from."""
        importer = Importer(self.engine, self.code, lambda: NOON, whole=False)
        outcome = importer.take([self._of_another_log(number) for number in range(start, end)])
        importer.close()
        assert outcome.appended == end - start

    def rotate(self, new: SigningKey) -> int:
        """Has another key sign the log from now on; the position of the event that tells of it."""
        old, self.signer = self.signer, CheckpointSigner(self.tree, CurrentKey(new))
        signing = old._signing.key
        claim(self.engine, {LOG_KEY: str(signing.key)})
        told = str(signing.key), str(new.key), vouch(signing, new)
        return rotate_key(self.engine, self.log, self.recorder, *told)

    def verify(self, *kept: Checkpoint, connection: Connection | None = None) -> Verified:
        """Verifies the log: as it is committed, or as it is inside of a transaction."""
        if connection is None:
            return verify_log(self.engine, Verification(SIGNING.key, kept, self.readers))
        return recompute(connection, lambda note: opened(note, SIGNING.key), kept, self.readers)

    def drop_triggers(self) -> None:
        """What nobody may do who uses the product."""
        with self.engine.begin() as connection:
            for (statement,) in connection.exec_driver_sql(_TRIGGERS[self.engine.dialect.name]).all():
                connection.exec_driver_sql(statement)

    def tamper(self, *statements: str) -> None:
        """Runs statements behind the triggers."""
        self.drop_triggers()
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def leaves(self) -> list[bytes]:
        return [bytes(leaf) for (leaf,) in self.rows("SELECT leaf FROM events ORDER BY position")]

    def _one_of_every_kind(self, number: int) -> Entry:
        at = f"2023-11-14T22:13:{number % 60:02}.000Z"
        stop = {"type": "stop_request", "sessionId": f"s-{number}", "userId": "ann@example.com", "timestamp": at}
        kinds: Sequence[Any] = (
            lambda: self.entry("clinic", wms("session", number, snr=number / 3)),
            lambda: self.entry("clinic", wms("session", number, "NEVER_HEARD_OF")),
            lambda: self._undecodable(b"{%d" % number),
            lambda: self.entry("energy", {"actionId": "a", "result": {"n": number}}, [("svix-id", f"msg_{number}")]),
            lambda: self.entry("captions", stop | {"reason": "user_disabled"}),
        )
        entry: Entry = kinds[number % len(kinds)]()
        return entry

    def _of_another_log(self, number: int) -> ImportedEvent:
        entry = self.entry("clinic", wms("elsewhere", number))
        assert isinstance(entry.reading, Reading)
        sealed, stream = seal(IDS, entry), self.stream("session", "clinic", "elsewhere")
        columns = Columns(
            *(number + 1, "clinic", stream, 1, "ok", "WMS_LOADED", number, entry.reading.occurred_at, NOON, NOON),
            *(sealed.key.hex(), entry.verified_by, sealed.commitment.hex()),
        )
        taken = (sealed.key, leaf(columns), unpack(sealed.headers), sealed.salt, "session", "elsewhere")
        return ImportedEvent(number, entry, columns, *taken)

    def _undecodable(self, body: bytes) -> Entry:
        entry, provider = self.entry("clinic", {}), self.sources["clinic"]
        reading = provider.read(body)
        return msgspec.structs.replace(entry, body=body, reading=reading, identity=provider.identity([], body, reading))
