"""Instants, numbers and texts at the edge of what a body may hold: every view, in every format, has an answer."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.archive import Exporter
from adapters.archive.exporter import FORMATS
from adapters.audit import CheckpointSigner, CurrentKey
from adapters.sql import ExportReader, Tree, open_engine
from core.event import LAST as LATEST
from tests.support.audited import SIGNING
from tests.support.house import House

LAST = "9999-12-31T23:59:59.999999Z"
ISO = [LAST, "9999-12-31T23:59:59.9999999+00:00", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"]
UNIX = [0, 0.4, 1, 99_999_999_999.999, 100_000_000_001, 253_402_300_799_999]
NUMBERS = [0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63), 1.7e308, -1.7e308, 5e-324, -0.0]
TEXTS = ["", "\0", "\\u0000", "\ud800", "\U0010ffff", "=1+1", '"\r\n', "\u202e", "x" * 512]
NAMES = ["\U0010ffff", "=1+1", '"\r\n', "\u202e", " ", "x" * 400]

values = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(TEXTS), st.none(), st.booleans())
documents = st.recursive(
    values, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(TEXTS), inner)
)
numbered = count()
Sent = tuple[str, dict[str, Any]]
few = settings(max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))


@st.composite
def deliveries(draw: st.DrawFn) -> list[Sent]:
    """What each provider may send of one stream; the ids are new ones."""
    name = f"{next(numbered)}{draw(st.sampled_from(NAMES))}"
    page = ["MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "INTERMEDIATE_RESULTS", "API_ERROR", "PAGE_UNLOADED", "?"]
    sent: list[Sent] = []
    for kind in draw(st.lists(st.sampled_from(page), min_size=1, max_size=4)):
        number = draw(st.sampled_from([0, 1, 2, 2**31, 2**63 - 1]))
        payload = {"measurementId": name, "snr": draw(values), "sequence": draw(values), "code": draw(values)}
        told = {"timestamp": draw(st.sampled_from(UNIX)), "sessionId": name, "sequence": number, "event": kind}
        sent.append(("clinic", told | {"payload": payload}))
    for kind in draw(st.lists(st.sampled_from(["session_request", "stop_request"]), min_size=1, max_size=3)):
        told = {"type": kind, "sessionId": f"{name}-com.example.captions", "userId": name}
        sent.append(
            ("captions", told | {"timestamp": draw(st.sampled_from(ISO)), "reason": draw(st.sampled_from(TEXTS))})
        )
    told = {"actionId": name, "deviceId": name, "deviceType": "vehicle", "command": draw(st.sampled_from(TEXTS))}
    sent.append(("energy", told | {"parameters": draw(documents), "completedAt": draw(st.sampled_from(ISO))}))
    return sent


@pytest.fixture
def extreme(database_url: str) -> Iterator[House]:
    """A house with a signer, whose sources presume sessions ended after twelve hours."""
    engine = open_engine(database_url)
    made = House(database_url, signer=CheckpointSigner(Tree(engine), CurrentKey(SIGNING)))
    yield made
    made.close()
    engine.dispose()


def append(house: House, sent: list[Sent]) -> int:
    last = 0
    for source, document in sent:
        key = f"m-{next(numbered)}" if source == "energy" else None
        last = house.send(source, json.dumps(document).encode(), key)[1]
    return last


def operations(house: House) -> list[tuple[str, dict[str, Any]]]:
    """The path and the parameters of every GET that does not wait."""
    paths = house.get("/openapi.json")["paths"].items()
    return [
        (path, {one["name"]: one["schema"] for one in methods["get"]["parameters"] if one["in"] == "query"})
        for path, methods in paths
        if "get" in methods and not path.endswith("/stream") and not path.startswith("/v1/replays")
    ]


def the_newest(house: House, path: str, position: int) -> str:
    kind = path.split("/")[2] if "{id}" in path else ""
    name = house.get(f"/v1/{kind}", limit=1)["data"][0]["id"] if kind and kind != "registrations" else "reg_none"
    return path.format(id=name, position=position, name="measurement", beginning="ses_aaaaaaaa")


def asked(draw: Any, schema: dict[str, Any]) -> str:
    """An extreme value of a parameter."""
    told = next((one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"), schema)
    if "enum" in told:
        return str(draw(st.sampled_from(told["enum"])))
    if told.get("format") == "date-time":
        return str(draw(st.sampled_from(ISO)))
    if told.get("type") == "integer":
        return str(draw(st.sampled_from([told.get("minimum", 0), told.get("maximum", 2**63 - 1)])))
    return str(draw(st.sampled_from(NAMES)))


@few
@given(sent=deliveries(), data=st.data())
def test_every_view_has_an_answer_to_what_is_extreme(extreme: House, sent: list[Sent], data: st.DataObject):
    position = append(extreme, sent)

    for path, schemas in operations(extreme):
        names = [name for name in schemas if name not in {"min_position", "wait", "cursor"}]
        chosen = data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)) if names else []
        forms = schemas.get("format", {}).get("enum", [None])
        drawn = {name: asked(data.draw, schemas[name]) for name in chosen if name != "format"}
        for form in forms:
            for parameters in ({}, drawn):
                said = parameters | ({"format": form} if form else {})
                with extreme.client.get(the_newest(extreme, path, position), query_string=said) as answer:
                    assert answer.status_code in {200, 400, 404}, (path, said, answer.get_data(as_text=True))


@few
@given(sent=deliveries())
def test_every_export_tells_what_is_extreme(extreme: House, sent: list[Sent]):
    append(extreme, sent)
    exporter = Exporter(ExportReader(extreme.engine), extreme.ids, extreme.code.sources, extreme.recorder.record)

    for form in FORMATS:
        assert b"".join(exporter.write(form, exporter.choose(), lambda *_: None))


@pytest.mark.parametrize("kind", ["sessions", "measurements", "actions"])
def test_a_deadline_of_what_happens_in_the_last_year_counts_from_its_receipt(house: House, kind: str):
    house.send("clinic", _at_the_end("MEASUREMENT_STARTED", 0))
    house.send("clinic", _at_the_end("MEASUREMENT_CREATED", 1))
    house.tell(source="energy", key="k-1", action_id="a", state="acknowledged", occurred_at=LATEST)
    (one,) = house.get(f"/v1/{kind}")["data"]

    why = house.get(f"/v1/{kind}/{one['id']}/why")

    deadline = why["derived"]["deadline"]
    assert (deadline["since"], deadline["passed"]) == ("2023-11-14T22:13:20.000000Z", False)


def _at_the_end(event: str, number: int) -> dict[str, Any]:
    payload = {"measurementId": "m"} if number else {}
    return {"timestamp": 253_402_300_799_999, "sessionId": "s", "sequence": number, "event": event, "payload": payload}
