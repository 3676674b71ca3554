"""Who watches a service sees what becomes of its deliveries."""

import re

from tests.support.logs import wms
from tests.support.service import Service


def counted(service: Service) -> dict[str, float]:
    """The deliveries that `/metrics` tells of the source `clinic`, by outcome."""
    text = service.send("GET", "/metrics").body.decode()
    found = re.findall(r'hookfold_deliveries_total\{outcome="(\w+)",source="clinic"\} ([0-9.]+)', text)
    return {outcome: float(count) for outcome, count in found}


def test_deliveries_are_counted_by_what_became_of_them(door: Service):
    before = counted(door)
    for number in (0, 1, 1, 1):
        door.wms(wms("counted", number))
    door.send("POST", "/in/clinic", b"{}", {"content-type": "application/json"})

    after = counted(door)

    changes = {outcome: count - before.get(outcome, 0) for outcome, count in after.items()}
    assert {outcome: count for outcome, count in changes.items() if count} == {"new": 2, "duplicate": 2, "rejected": 1}
