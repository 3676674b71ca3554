"""The bundle's verifier steps through the declarations as the fold does, whatever the history."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.evidence import verify
from adapters.evidence.bundle import _json, _state
from adapters.evidence.declaration import declaration
from core.event import Event
from core.folding.fold import MACHINES, fold, trace
from tests.support.random_streams import streams
from tests.support.streams import stream


@pytest.mark.parametrize(("machine", "provider"), [("measurement", "wms"), ("session", "mentraos")])
@settings(max_examples=150)
@given(data=st.data())
def test_the_verifier_and_the_fold_agree_on_every_step(machine: str, provider: str, data: st.DataObject):
    drawn, word = (
        data.draw(streams(machine)),
        data.draw(st.sampled_from(["something_new", "acknowledged", "scheduled"])),
    )
    events = [event if event.known else replace(event, type=word) for event in drawn]

    said = verify.fold(_files(machine, provider, events), [_exhibit(event) for event in events])

    assert said[0].startswith("same state: ")


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_another_providers_word_stands_where_the_fold_puts_it(order: tuple[int, int]):
    first, second = stream("session_request @0", "acknowledged @0 known=false")
    events = [replace(first, key=bytes([order[0]])), replace(second, key=bytes([order[1]]))]

    said = verify.fold(_files("session", "mentraos", events), [_exhibit(event) for event in events])

    assert said[0].startswith("same state: ")


def _files(machine: str, provider: str, events: list[Event]) -> dict[str, bytes]:
    kind = MACHINES[machine]
    story = {"state": _state(fold(kind, events)), "steps": trace(kind, events)}
    bodies = {f"events/{event.position:012}.body": json.dumps(_body(provider, event)).encode() for event in events}
    told = {"machine.json": _json(declaration(kind)), "state.json": b""}
    told["state.json"] = _json({"stream": "ses_x", "provider": provider, "told": story})
    return told | bodies


def _body(provider: str, event: Event) -> dict[str, Any]:
    if provider == "wms":
        names = (("visible", "state"), ("measurement_id", "measurementId"))
        payload = {sent: event.data[ours] for ours, sent in names if ours in event.data}
        return {"event": event.type, "sequence": event.sequence, "payload": payload}
    return {"type": event.type} | {name: event.data[name] for name in ("key", "attempt") if name in event.data}


def _exhibit(event: Event) -> dict[str, Any]:
    read = ("ok", event.type) if event.known else ("unknown_type", None)
    clocks = (event.occurred_at, event.received_at, event.received_at)
    columns = [event.position, "x", "ses_x", 1, *read, event.sequence, *clocks, event.key.hex(), None, ""]
    return {"columns": columns, "erased": None, "retracted": None}
