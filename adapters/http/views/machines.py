"""`/v1/machines`: the running state machines."""

from typing import Any

import msgspec

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.parameters import prepare
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, listing_of
from core.folding.fold import MACHINES, StateMachine

routes = Routes()

_GLASSES = ("session", "registration")
_FOLDED_BY = {"augmentos": _GLASSES, "mentraos": _GLASSES, "amps": ("action", "device"), "wms": ("measurement",)}
"""The machines that fold each provider's streams."""


class Transition(msgspec.Struct, rename={"from_": "from"}):
    """A row: on `trigger`, from any of `from`, to `to` (null: nothing moves), if `when` holds.

    `marks`: the anomaly that it records. `does`: a further effect. `why`: why nothing moves.
    """

    trigger: str
    from_: list[str]
    to: str | None
    when: str | None
    marks: str | None
    does: str | None
    why: str | None


class Region(msgspec.Struct):
    """One region of a machine: its states and the rows that move it. `mermaid` is its state diagram as text."""

    name: str
    states: list[str]
    initial: str
    transitions: list[Transition]
    mermaid: str


prepare(Region)


class MachineDescription(msgspec.Struct, kw_only=True):
    """A machine. The top-level fields are its main region's; `regions` has all if there are several."""

    name: str
    fingerprint: str
    states: list[str]
    initial: str
    transitions: list[Transition]
    mermaid: str
    regions: list[Region]


class ListedMachines(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The machines, in pages."""

    source: queries.Source = msgspec.UNSET
    limit: queries.Limit = 20
    cursor: queries.Cursor = msgspec.UNSET


@routes.many(Scope.READ, "/v1/machines", ListedMachines, MachineDescription)
def machines(ask: Ask[ListedMachines]) -> Listing[MachineDescription]:
    """Every machine, or those that fold a source's events."""
    names = _FOLDED_BY.get(ask.api.provider_of(ask.query.source) or "", ()) if ask.query.source else MACHINES
    found = [shape(MACHINES[name]) for name in sorted(names)]
    return listing_of(found, ask.query.limit, ask.after, lambda machine: machine.name)


@routes.one(Scope.READ, "/v1/machines/{name}", queries.Plain, MachineDescription)
def machine(ask: Ask[queries.Plain]) -> MachineDescription:
    """One machine."""
    found = MACHINES.get(ask.path["name"])
    if found is None:
        raise NotFound(f"no such machine; there are {', '.join(sorted(MACHINES))}")
    return shape(found)


def shape(found: StateMachine) -> MachineDescription:
    """A machine as returned by the API."""
    regions = [msgspec.convert(_described(table), Region) for table in found.tables]
    main = msgspec.structs.asdict(regions[0]) | {"name": found.name, "fingerprint": found.fingerprint}
    return MachineDescription(**main, regions=regions if len(regions) > 1 else [])


def _described(table: Any) -> dict[str, Any]:
    described: dict[str, Any] = table.describe()
    return described | {"mermaid": table.mermaid()}
