"""The machines as they run."""

import pytest

from core.folding.fold import MACHINES
from tests.support.house import House, wms


def test_every_machine_is_told_with_its_states_rows_and_diagram(one_house: House):
    machines = one_house.get("/v1/machines")["data"]

    assert [machine["name"] for machine in machines] == sorted(MACHINES)
    for machine in machines:
        assert machine["initial"] in machine["states"]
        assert machine["mermaid"].startswith("stateDiagram-v2")
        assert {"trigger", "from", "to"} <= set(machine["transitions"][0])
        assert one_house.get(f"/v1/machines/{machine['name']}") == machine


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("clinic", ["measurement"]),
        ("captions", ["registration", "session"]),
        ("energy", ["action", "device"]),
        ("x", []),
    ],
)
def test_those_that_fold_what_a_source_sends(one_house: House, source, names):
    assert [machine["name"] for machine in one_house.get("/v1/machines", source=source)["data"]] == names


def test_a_machine_of_several_regions_tells_each(one_house: House):
    machine = one_house.get("/v1/machines/measurement")

    assert [region["name"] for region in machine["regions"]] == ["measurement", "connection", "visibility"]
    assert one_house.get("/v1/machines/action")["regions"] == []


def test_what_is_folded_names_the_machine_that_is_told(house: House):
    house.send("clinic", wms("scan", 0))

    (session,) = house.get("/v1/sessions")["data"]

    machine = house.get(f"/v1/machines/{session['machine']['name']}")
    assert machine["fingerprint"] == session["machine"]["fingerprint"]


@pytest.mark.parametrize("name", ["x", "Session", "%00", "..", "session%0A"])
def test_another_name_is_not_found(one_house: House, name):
    one_house.problem(f"/v1/machines/{name}", status=404)
