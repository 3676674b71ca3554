"""Declarations: what is refused, and that the compiled table and `transitions` say the same."""

from dataclasses import replace
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import MachineError

from core.event import Event
from core.folding.fold import MACHINES, State, StateMachine
from core.states.records import Measurement, MeasurementState
from core.states.table import UNLISTED, DeclarationError, On, Table, declare

DEVICE = MACHINES["device"]


class Door(Enum):
    SHUT = "shut"
    OPEN = "open"


class Window(Enum):
    SHUT = "shut"


def always(_state: object, _event: object) -> bool:
    return True


OPENS, SHUTS = On("push", Door.SHUT, Door.OPEN), On("pull", Door.OPEN, Door.SHUT)

WRONG = {
    "a state of something else": [OPENS, SHUTS, On("push", Window.SHUT, Door.OPEN)],
    "a state that is none": [OPENS, SHUTS, On("push", Door.OPEN, "opne")],  # type: ignore[arg-type]
    "two rows for one step": [OPENS, SHUTS, On("push", [Door.OPEN, Door.SHUT], Door.SHUT)],
    "a guarded row behind one without": [OPENS, SHUTS, On("push", Door.SHUT, Door.SHUT, when=always)],
    "a guard by name": [OPENS, SHUTS, On("push", Door.OPEN, Door.SHUT, when="always")],  # type: ignore[arg-type]
    "an anomaly that there is not": [OPENS, On("pull", Door.OPEN, Door.SHUT, marks="unexpcted")],
    "a state that nothing reaches": [SHUTS],
    "a row from nowhere": [OPENS, On("pull", [], Door.SHUT)],
}


@pytest.mark.parametrize("rows", WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_is_refused(rows: list[On]):
    with pytest.raises(DeclarationError):
        declare(name="door", states=Door, initial=Door.SHUT, rows=rows)


def test_an_initial_state_of_something_else_is_refused():
    with pytest.raises(DeclarationError):
        declare(name="door", states=Door, initial=Window.SHUT, rows=[OPENS, SHUTS])


def test_a_stray_step_needs_one_destination():
    rows = [On("push", Door.SHUT, Door.OPEN, when=always), On("push", Door.SHUT, Door.SHUT)]

    with pytest.raises(DeclarationError, match="2 destinations"):
        declare(name="door", states=Door, initial=Door.SHUT, rows=rows, stray="unexpected")


def test_a_stray_step_goes_where_its_event_says_and_is_marked():
    door = declare(name="door", states=Door, initial=Door.SHUT, rows=[OPENS, SHUTS], stray="unexpected")

    arm = door.pick("open", "push", None, None)

    assert (arm.to, arm.marks) == ("open", "unexpected")


def test_a_guard_decides_between_two_rows():
    rows = [On("push", Door.SHUT, Door.OPEN, when=lambda _, event: event == "hard"), On("push", Door.SHUT, None), SHUTS]
    door = declare(name="door", states=Door, initial=Door.SHUT, rows=rows)

    arms = [door.pick("shut", "push", None, how) for how in ("hard", "softly")]

    assert [arm.to for arm in arms] == ["open", None]


def test_what_no_row_lists_is_no_step():
    door = declare(name="door", states=Door, initial=Door.SHUT, rows=[OPENS, SHUTS])

    assert door.pick("open", "push", None, None) is UNLISTED


def test_the_diagram_has_an_arrow_for_each_row():
    door = declare(name="door", states=Door, initial=Door.SHUT, rows=[OPENS, SHUTS])

    assert door.mermaid().splitlines()[1:] == ["    [*] --> shut", "    shut --> open: push", "    open --> shut: pull"]


def test_another_row_or_another_guard_is_another_text():
    rows = [OPENS, SHUTS]
    guarded = [On("push", Door.SHUT, Door.OPEN, when=always), SHUTS]
    stricter = [On("push", Door.SHUT, Door.OPEN, when=lambda _, __: False), SHUTS]

    texts = {
        declare(name="door", states=Door, initial=Door.SHUT, rows=each).text() for each in (rows, guarded, stricter)
    }

    assert len(texts) == 3


def test_fingerprints_tell_the_machines_apart():
    fingerprints = {kind.fingerprint for kind in MACHINES.values()}

    assert len(fingerprints) == len(MACHINES)
    assert {len(fingerprint) for fingerprint in fingerprints} == {16}


def test_better_words_are_no_other_fingerprint():
    class DeviceState(State, kw_only=True, omit_defaults=True, gc=False):
        """Better words."""

        state: str = "unknown"

    assert replace(DEVICE, State=DeviceState).fingerprint == DEVICE.fingerprint


def test_a_raised_revision_is_another_fingerprint():
    assert replace(DEVICE, revision=DEVICE.revision + 1).fingerprint != DEVICE.fingerprint


def test_a_field_more_in_a_measurement_is_another_fingerprint():
    class Longer(Measurement, array_like=True, gc=False):
        colour: str = ""

    class Other(MeasurementState, kw_only=True, omit_defaults=True, gc=False):
        measurements: list[Longer] = msgspec.field(default_factory=list)  # type: ignore[assignment]

    kind = MACHINES["measurement"]
    assert replace(kind, State=Other).fingerprint != kind.fingerprint


def test_a_machine_describes_each_of_its_regions():
    kind = MACHINES["measurement"]

    told = kind.describe()

    assert (told["name"], told["fingerprint"]) == ("measurement", kind.fingerprint)
    assert (
        [region["name"] for region in told["regions"]]
        == ["measurement", "connection", "visibility"]
        == [*kind.mermaid()]
    )
    assert told["regions"][0]["transitions"][0] == {
        "trigger": "WMS_LOADED",
        "from": ["waiting"],
        "to": "loaded",
        "when": None,
        "marks": None,
        "does": None,
        "why": None,
    }


@pytest.mark.parametrize("kind", MACHINES.values(), ids=lambda kind: kind.name)
def test_every_documented_event_has_a_row_for_every_state(kind: StateMachine):
    for table in kind.tables:
        steps = [
            table.pick(state, trigger, Told(told=False), NO_EVENT)
            for state in table.states
            for trigger in table.triggers
        ]

        assert UNLISTED not in steps


TABLES = [table for kind in MACHINES.values() for table in kind.tables]


class Model:
    """What `transitions` moves."""

    state: Enum
    trigger: Any


class Told:
    """As much of a state as the guards look at."""

    def __init__(self, *, told: bool) -> None:
        self.told = told


NO_EVENT = Event(1, b"", "", None, None, 0, True, {})

CONTEXTS = st.tuples(
    st.builds(Told, told=st.booleans()),
    st.builds(
        Event,
        *(st.just(1), st.just(b""), st.just(""), st.none(), st.none(), st.just(0), st.just(True)),
        data=st.fixed_dictionaries(
            {}, optional={"told": st.booleans(), "visible": st.sampled_from(["visible", "HIDDEN", "?", 3])}
        ),
    ),
)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@given(data=st.data())
def test_the_table_is_the_machine(table: Table, data: st.DataObject):
    model, current = Model(), table.initial
    table.machine.add_model(model)

    for trigger in data.draw(st.lists(st.sampled_from(table.triggers), max_size=20)):
        context = data.draw(CONTEXTS)
        arm = table.pick(current, trigger, *context)
        listed = _fire(model, trigger, context)
        assert listed == (arm is not UNLISTED)
        current = arm.to or current
        assert model.state.value == current

    table.machine.remove_model(model)


def _fire(model: Model, trigger: str, context: tuple[Any, ...]) -> bool:
    try:
        return bool(model.trigger(trigger, *context))
    except MachineError:
        return False
