"""The part of the OpenAPI document for paths that no route declares: deliveries and metrics."""

from typing import Any

import msgspec

from core.event import READINGS

Schema = dict[str, Any]

_SOURCE = {
    "name": "source",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
    "description": "The source, by its name in the configuration.",
}
_HEADERS = {
    "Hookfold-Verdict": {
        "description": "What the delivery turned out to be.",
        "schema": {"type": "string", "enum": ["new", "duplicate", "conflict"]},
    },
    "Hookfold-Position": {
        "description": "The position of the event that holds the key.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Hookfold-Reading": {
        "description": "Whether the body could be read; only `ok` moves a state. Else see the event's `notes`.",
        "schema": {"type": "string", "enum": list(READINGS)},
    },
}
_REFUSED = {
    "400": "The body is empty, or cannot be read as one of this provider's webhooks.",
    "401": "The signature is missing or wrong.",
    "404": "No such source.",
    "405": "Deliveries are sent with POST.",
    "413": "The body is too large.",
    "415": "The body is encoded, or no JSON.",
    "503": "The log cannot commit now: send again.",
}


class Taken(msgspec.Struct):
    """The delivery was committed. `status` is `success`."""

    status: str


class NotTaken(msgspec.Struct):
    """The delivery was not committed. `status` is `error`."""

    status: str
    message: str


TYPES = (Taken, NotTaken)


def paths(schema_of: Schema, problem: Schema) -> Schema:
    """The operations by path. `schema_of`: the references to TYPES, by their names in Python."""
    deliver = _deliver(schema_of, "deliver", "A provider delivers an event, signed in headers of its own.")
    appended = _deliver(schema_of, "deliver_webhook", "The same: MentraOS appends `/webhook` to the URL that it has.")
    return {
        "/in/{source}": {"post": deliver},
        "/in/{source}/webhook": {"post": appended},
        "/metrics": {"get": _metrics(problem)},
    }


def _deliver(schema_of: Schema, name: str, summary: str) -> Schema:
    taken = {"application/json": {"schema": schema_of[repr(Taken)]}}
    refused = {"application/json": {"schema": schema_of[repr(NotTaken)]}}
    responses: Schema = {"200": {"description": "It is committed.", "headers": _HEADERS, "content": taken}}
    responses |= {status: {"description": text, "content": refused} for status, text in _REFUSED.items()}
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["ingest"],
        "security": [],
        "parameters": [_SOURCE],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": responses,
    }


def _metrics(problem: Schema) -> Schema:
    told = {"text/plain": {"schema": {"type": "string"}}}
    refused = {"application/problem+json": {"schema": problem}}
    return {
        "operationId": "metrics",
        "summary": "The service's metrics as Prometheus reads them.",
        "tags": ["service"],
        "security": [],
        "parameters": [],
        "responses": {
            "200": {"description": "As asked.", "content": told},
            "405": {"description": "The path knows other methods: `Allow` names them.", "content": refused},
        },
    }
