"""Generates an example response with every field from its schema."""

from typing import Any

Schema = dict[str, Any]

_TIME = "2026-11-21T20:48:00.250000Z"
_DIGEST = "3f9a61c2d07b4e58a1c6f2e9b80d7435"
_OUR_ID = "ses_{}".format("a7" * 13)
_WORDS: Schema = {
    "id": _OUR_ID,
    "stream": _OUR_ID,
    "session": _OUR_ID,
    "measurement": "mea_{}".format("b3" * 13),
    "device": "dev_{}".format("c5" * 13),
    "source": "clinic",
    "provider": "wms",
    "session_id": "visit-5be1",
    "measurement_id": "m-20",
    "action_id": "a-7",
    "device_id": "car-1",
    "registration_id": "r-1",
    "user_id": "ann@example.com",
    "type": "WMS_LOADED",
    "reading": "ok",
    "state": "scanning",
    "outcome": "completed",
    "verdict": "new",
    "verified_by": "env:WMS_SECRET",
    "key": _DIGEST,
    "fingerprint": _DIGEST,
    "leaf": _DIGEST,
    "root": _DIGEST,
}


def example_of(schema: Schema, components: Schema, name: str = "", above: tuple[str, ...] = ()) -> Any:
    """An example value. `name` is the field's; `above` are the enclosing schemas, which may be recursive."""
    if "$ref" in schema:
        one = str(schema["$ref"]).rpartition("/")[2]
        return None if one in above else example_of(components[one], components, name, (*above, one))
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], components, name, above)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), components, name, above)]
    if schema.get("type") == "object":
        return {field: example_of(one, components, field, above) for field, one in _fields(schema).items()}
    return _plain(schema, name)


def _fields(schema: Schema) -> Schema:
    named: Schema = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    return named or ({"name": more} if isinstance(more, dict) else {})


def _plain(schema: Schema, name: str) -> Any:
    if schema.get("format") == "date-time":
        return _TIME
    samples: Schema = {"string": _WORDS.get(name, "text"), "integer": 7, "number": 0.5, "boolean": False}
    return samples.get(schema.get("type", ""))
