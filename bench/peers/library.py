"""The `eventsourcing` library doing the work of an append, as its documentation shows it, in its safe mode."""

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from sqlalchemy import make_url

from bench.traffic import Message

STATES = {
    "WMS_LOADED": "loaded",
    "CONFIGURATION_LOADED": "configured",
    "CAMERA_PERMISSION_GRANTED": "camera_granted",
    "CAMERA_STARTED": "camera_on",
    "MEASUREMENT_STARTED": "started",
    "MEASUREMENT_CREATED": "created",
    "INTERMEDIATE_RESULTS": "scanning",
    "SCAN_COMPLETED": "analyzing",
    "RESULTS_RECEIVED": "completed",
    "REDIRECTING_TO_CALLBACK": "redirecting",
    "PAGE_UNLOADED": "closed",
}


class Visit(Aggregate):
    """A session as an aggregate: no machine is asked, the last event's name is the state."""

    @event("Opened")
    def __init__(self, session: str) -> None:
        self.session = session
        self.state = "waiting"

    @staticmethod
    def create_id(session: str) -> UUID:
        return uuid5(NAMESPACE_URL, session)

    @event("Told")
    def tell(self, sequence: int, name: str, body: str) -> None:  # noqa: ARG002 - arguments make the stored event
        self.state = STATES.get(name, self.state)


class Visits(Application[UUID]):
    """The library's store. `url`: an empty database."""

    def __init__(self, url: str) -> None:
        super().__init__(_environment(url))
        if url.startswith("sqlite"):
            self._check()

    def _check(self) -> None:
        """Raises AssertionError where its commits are weaker than ours, which would be no comparison."""
        with self.recorder.datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA synchronous")
            level = cursor.fetchone()[0]
        if level != 2:
            raise AssertionError(f"synchronous is {level}, not FULL")

    @property
    def stored(self) -> int:
        """Events in the store."""
        return self.recorder.max_notification_id() or 0


class ThroughAggregates:
    """An append as an application does it: the aggregate out of the cache, the event, the new state, the commit."""

    def __init__(self, url: str) -> None:
        self.visits = Visits(url)

    def append(self, message: Message) -> None:
        document = msgspec.json.decode(message.body)
        if message.sequence == 0:
            visit = Visit(message.session)
        else:
            visit = self.visits.repository.get(Visit.create_id(message.session))
        visit.tell(message.sequence, document["event"], message.body.decode())
        self.visits.save(visit)

    def events_of(self, messages: int, sessions: int) -> int:
        """How many events the store has to hold."""
        return messages + sessions

    @property
    def stored(self) -> int:
        return self.visits.stored

    def close(self) -> None:
        self.visits.close()


class ThroughStore(ThroughAggregates):
    """An append without any state: one event of a known version into the store. Less work than ours: the fastest."""

    def append(self, message: Message) -> None:
        document = msgspec.json.decode(message.body)
        told: Any = Visit.Told
        self.visits.events.put(
            [
                told(
                    originator_id=Visit.create_id(message.session),
                    originator_version=message.sequence + 1,
                    timestamp=told.create_timestamp(),
                    sequence=message.sequence,
                    name=document["event"],
                    body=message.body.decode(),
                )
            ]
        )

    def events_of(self, messages: int, sessions: int) -> int:  # noqa: ARG002 - no aggregate is opened
        return messages


def _environment(url: str) -> dict[str, str]:
    parsed = make_url(url)
    common = {"AGGREGATE_CACHE_MAXSIZE": "10000", "DEEPCOPY_FROM_AGGREGATE_CACHE": "n"}
    if parsed.get_backend_name() == "sqlite":
        settings = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_LOCK_TIMEOUT": "10"}
        return common | settings | {"SQLITE_DBNAME": str(Path(parsed.database or "").absolute())}
    return common | {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parsed.database or "",
        "POSTGRES_HOST": str(parsed.query["host"]),
        "POSTGRES_USER": parsed.username or "",
        "POSTGRES_PASSWORD": "",
        "POSTGRES_POOL_SIZE": "20",
    }
