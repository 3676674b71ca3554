"""The query API over a database of a test, with a source of every provider and a log to fill it through."""

import json
import threading
from collections.abc import Iterator
from functools import cached_property, partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import msgspec
from flask import Flask, Response, request

from adapters.http import Api, create_http, report_action
from adapters.providers import build, reader
from adapters.sql import (
    Code,
    Entry,
    Log,
    Reads,
    Receipt,
    Recorder,
    Rejection,
    Source,
    open_engine,
)
from core.folding import fold
from core.ids import Ids
from tests.support.leaks import leaks

SECOND = 1_000_000
NOON = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""

PROVIDERS = {"clinic": "wms", "energy": "amps", "captions": "mentraos", "older": "augmentos"}
SECRET = "whsec_" + "c2VjcmV0" * 4
SETTINGS = fold.Settings(package_name="com.example.captions", overdue_after=600 * SECOND)


class House:
    """A log to append to and a client that asks. `sources` may be made fewer: those are then no longer configured."""

    def __init__(self, url: str, configured: tuple[str, ...] = tuple(PROVIDERS), **api: Any) -> None:
        self.engine = open_engine(url)
        self.ids = Ids(b"a secret for tests only, 32 byte")
        self.providers = {name: _provider(name, kind) for name, kind in PROVIDERS.items()}
        every = {name: _source(name, provider) for name, provider in self.providers.items()}
        ticks = count(NOON, 1_000)
        self.log = Log(self.engine, Code(self.ids, every), lambda: next(ticks))
        self.code = Code(self.ids, {name: every[name] for name in configured})
        self.tell = partial(report_action, self._append, lambda: NOON)
        self.recorder = Recorder(self._append, lambda: NOON, "http")
        given: dict[str, Any] = {
            "reads": Reads(self.engine),
            "ids": self.ids,
            "sources": self.code.sources,
            "tell": self.tell,
            "record": self.recorder.record,
        }
        self.api = Api(**(given | {"clock": lambda: NOON, "patience": 0.05} | api))

    @cached_property
    def app(self) -> Flask:
        """The application, made when a test first asks it something: it takes longer than the rest."""
        app = create_http(self.api)
        app.after_request(_without_leaks)
        return app

    @cached_property
    def client(self) -> Any:
        return self.app.test_client()

    def close(self) -> None:
        """Waits for a replay's thread: a connection that it gave back behind the engine's end would stay open."""
        for thread in threading.enumerate():
            if thread.name == "hookfold-replay":
                thread.join(10)
        self.log.close()
        self.engine.dispose()

    def send(self, source: str, document: dict[str, Any] | bytes, key: str | None = None) -> tuple[str, int]:
        """Appends an authentic delivery; `key`: the svix-id of an amps source."""
        receipt = self._append(self.entry(source, document, key))
        return receipt.verdict, receipt.position

    def entry(self, source: str, document: dict[str, Any] | bytes, key: str | None = None) -> Entry:
        """An authentic delivery, as `send` appends it."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = [("svix-id", key)] if key else []
        provider = self.providers[source]
        reading = provider.read(body)
        by = "env:SECRET" if provider.signed else None
        return Entry(
            source, NOON, headers, body, by, provider.identity(headers, body, reading), reading, provider.keyed_by_body
        )

    def _append(self, entry: Entry) -> Receipt:
        return self.log.append([entry])[0]

    def reject(self, source: str = "clinic", reason: str = "signature_missing", hint: str = "") -> None:
        self.log.append([Rejection(source, NOON, [], b"{}", 2, 401, reason, hint)])

    def get(self, path: str, status: int = 200, **parameters: Any) -> Any:
        """The JSON of a GET, whose status has to be the one given."""
        answer = self.client.get(path, query_string=parameters or None)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return msgspec.json.decode(answer.data)

    def problem(self, path: str, status: int = 400, **parameters: Any) -> dict[str, Any]:
        """The problem document that a GET is answered with."""
        answer = self.client.get(path, query_string=parameters or None)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.data
        found: dict[str, Any] = msgspec.json.decode(answer.data)
        assert found["status"] == status
        return found

    def walk(self, path: str, **parameters: Any) -> Iterator[list[Any]]:
        """Every page of a list, following the cursors alone."""
        page = self.get(path, **parameters)
        yield page["data"]
        while page["next_cursor"]:
            page = self.get(path, cursor=page["next_cursor"])
            yield page["data"]


def _without_leaks(answer: Response) -> Response:
    """No metric tells a secret, an e-mail address or a body."""
    if request.path == "/metrics":
        assert leaks(answer.get_data(as_text=True)) == []
    return answer


def wms(session: str, sequence: int, event: str = "WMS_LOADED", at: int = 0, /, **payload: Any) -> dict[str, Any]:
    """A WMS document; `at` in seconds after NOON."""
    stamp = NOON // SECOND + (at or sequence)
    return {"timestamp": stamp, "sessionId": session, "sequence": sequence, "event": event, "payload": payload}


def start(user: str, at: str = "22:00:00", package: str = "com.example.captions") -> dict[str, Any]:
    """A session_request of NOON's day."""
    times = {"timestamp": f"2023-11-14T{at}.000Z", "mentraOSWebsocketUrl": "wss://cloud.example.com/app-ws"}
    return {"type": "session_request", "sessionId": f"{user}-{package}", "userId": user, **times}


def stop(user: str, at: str = "22:10:00", reason: str = "user_disabled") -> dict[str, Any]:
    """A stop_request of NOON's day."""
    session = f"{user}-com.example.captions"
    times = {"reason": reason, "timestamp": f"2023-11-14T{at}.000Z"}
    return {"type": "stop_request", "sessionId": session, "userId": user, **times}


def pushed(action: str, device: str = "car-1", **more: Any) -> dict[str, Any]:
    """A completed action as the newest bodies tell of it."""
    document = {"actionId": action, "deviceId": device, "deviceType": "vehicle", "command": "charge.start"}
    return (
        document | {"parameters": {"limit": 80}, "result": {"ok": True}, "completedAt": "2023-11-14T22:00:00Z"} | more
    )


def _provider(name: str, kind: str) -> Any:
    secret = SimpleNamespace(ref="env:SECRET", value=SECRET)
    given = {"name": name, "provider": kind, "secrets": [secret], "node_ascii": False, "event_type": None}
    return build(SimpleNamespace(**given, package_name=None))


def _source(name: str, provider: Any) -> Source:
    return Source(PROVIDERS[name], provider.machine_of, reader(provider), SETTINGS)
