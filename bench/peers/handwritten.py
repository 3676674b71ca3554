"""What a team writes today: Flask, the SQLAlchemy ORM, one `transitions` machine an object, one commit a request."""

import hashlib
import hmac
import os
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from sqlalchemy import JSON, DateTime, String, UniqueConstraint, create_engine, event, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from transitions import Machine

SECRET = os.environ["WMS_MAC_SECRET"].encode()
URL = os.environ["HANDWRITTEN_URL"]

STATES = ["waiting", "loaded", "configured", "camera_granted", "camera_on", "started", "created", "scanning"]
STATES += ["analyzing", "completed", "canceled", "failed", "redirecting", "closed"]
TRANSITIONS: list[Any] = [
    ["WMS_LOADED", "waiting", "loaded"],
    ["CONFIGURATION_LOADED", "loaded", "configured"],
    ["CAMERA_PERMISSION_GRANTED", "configured", "camera_granted"],
    ["CAMERA_STARTED", "camera_granted", "camera_on"],
    ["MEASUREMENT_STARTED", "camera_on", "started"],
    ["MEASUREMENT_CREATED", "started", "created"],
    ["INTERMEDIATE_RESULTS", ["created", "scanning"], "scanning"],
    ["SCAN_COMPLETED", "scanning", "analyzing"],
    ["RESULTS_RECEIVED", "analyzing", "completed"],
    ["REDIRECTING_TO_CALLBACK", "completed", "redirecting"],
    ["PAGE_UNLOADED", "*", "closed"],
]


class Base(DeclarativeBase):
    """The receiver's tables."""


class Received(Base):
    """One webhook."""

    __tablename__ = "received"
    __table_args__ = (UniqueConstraint("session_id", "sequence"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(String, index=True)
    sequence: Mapped[int]
    event: Mapped[str]
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Measured(Base):
    """One session, stepped by a machine of its own."""

    __tablename__ = "measured"
    session_id: Mapped[str] = mapped_column(String, primary_key=True)
    state: Mapped[str]

    def machine(self) -> Machine:
        return Machine(
            model=self, states=STATES, transitions=TRANSITIONS, initial=self.state, ignore_invalid_triggers=True
        )


def _durable(connection: Any, _record: object) -> None:
    if URL.startswith("sqlite"):
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")


engine: Engine = create_engine(URL)
event.listen(engine, "connect", _durable)
with engine.begin() as starting:
    alone = "SELECT pg_advisory_xact_lock(1)" if engine.dialect.name == "postgresql" else "BEGIN IMMEDIATE"
    starting.exec_driver_sql(alone)  # the workers start at once
    Base.metadata.create_all(starting)
app = Flask(__name__)


@app.post("/in/<source>")
def deliver(source: str) -> tuple[Response, int]:  # noqa: ARG001 - the path has it
    body = request.get_data()
    expected = "hmac-sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(request.headers.get("X-WMS-Content-MAC", ""), expected):
        return jsonify(status="error", message="signature"), 401
    _record(request.get_json())
    return jsonify(status="success"), 200


def _record(document: dict[str, Any]) -> None:
    with Session(engine) as session:
        session.add(
            Received(
                session_id=document["sessionId"],
                sequence=document["sequence"],
                event=document["event"],
                body=document,
                received_at=datetime.now(UTC),
            )
        )
        found = session.scalars(select(Measured).where(Measured.session_id == document["sessionId"])).first()
        measured = found or Measured(session_id=document["sessionId"], state="waiting")
        session.add(measured)
        measured.machine()
        measured.trigger(document["event"])  # type: ignore[attr-defined]
        try:
            session.commit()
        except IntegrityError:
            session.rollback()
