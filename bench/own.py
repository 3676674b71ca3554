"""Hookfold's log inside of this process: no server, no HTTP."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from adapters.config import load
from app import assemble
from bench.servers import settings_of
from bench.traffic import SOURCE, Message


class Own:
    """The parts of one process of the service, wired as it wires them. `url`: a database, made ready here."""

    def __init__(self, folder: Path, url: str) -> None:
        self.service = assemble(load(None, settings_of(folder, url)))

    def append(self, message: Message) -> None:
        """Verifies, reads, appends, folds, commits; returns when all of it is durable."""
        item = self.service.door.receive(SOURCE, message.headers, message.body)
        receipt = self.service.commit.append(item)
        if receipt.verdict != "new":
            raise AssertionError(f"{message} was found to be {receipt.verdict}")

    def append_all(self, messages: Sequence[Message]) -> None:
        """Appends many in one transaction, each like any other delivery; not while anybody else appends."""
        items = [self.service.door.receive(SOURCE, message.headers, message.body) for message in messages]
        if any(receipt.verdict != "new" for receipt in self.service.log.append(items)):
            raise AssertionError("not all of them were new")

    def events_of(self, messages: int, sessions: int) -> int:  # noqa: ARG002 - a session is no event
        """How many events the log has to hold."""
        return messages

    @property
    def stored(self) -> int:
        with self.service.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM events")).scalar_one())

    def close(self) -> None:
        self.service.close()
