"""What is wrong with a log that a service wrote while it was wronged."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from tests.endurance.load import Delivery, Load, is_relayed
from tests.endurance.standing import Standing
from tests.support.service import Service, surroundings

COMPARED = ("state", "outcome", "events", "anomalies")


def verdict(standing: Standing, load: Load) -> list[str]:
    """All of it, told by the service and by `hookfold audit verify`."""
    events = list(_events(standing.service))
    end = events[-1]["position"]
    return [
        *load.wrong,
        *wrong_in_log(events, load),
        *wrong_behind(load),
        *_folded(standing.service, end),
        *_verified(standing),
    ]


def wrong_in_log(events: list[dict[str, Any]], load: Load) -> Iterator[str]:
    """Each acknowledged delivery is where it was said to be, and once; the followers saw every position, in order."""
    sent = [event for event in events if event.get("session_id")]
    found = {(event["session_id"], event["sequence"]): event["position"] for event in sent}
    if lost := [one for one in load.acknowledged.items() if found.get(one[0]) != one[1]]:
        yield f"{len(lost)} acknowledged and not there: {_some(lost)}"
    if len(found) < len(sent):
        numbers = Counter((event["session_id"], event["sequence"]) for event in sent)
        yield f"more than once in the log: {_some(one for one, number in numbers.items() if number > 1)}"
    if any(one["recorded_at"] > other["recorded_at"] for one, other in pairwise(events)):
        yield "an event was recorded before an earlier position"
    positions = [event["position"] for event in events if event["position"] <= load.last]
    for how, seen in (("page", load.paged), ("stream", load.streamed)):
        if seen[: len(positions)] != positions:
            yield f"who follows by {how} saw {len(seen)} of {len(positions)} positions: {_some({*positions} ^ {*seen})}"


def wrong_behind(load: Load) -> Iterator[str]:
    """The handler got each acknowledged delivery of the relayed source at least once, each visit's in their order."""
    relayed = sorted(one for one in load.acknowledged if is_relayed(one[0]))
    if missed := {*relayed} - {*load.relayed}:
        yield f"{len(missed)} of {len(relayed)} were not relayed: {_some(missed)}"
    first = [one for one in dict.fromkeys(load.relayed) if one in load.acknowledged]
    if any(number < before for visit in _visits(first) for before, number in pairwise(visit)):
        yield "a visit's deliveries were not relayed in their order"


def _visits(deliveries: Iterable[Delivery]) -> Iterable[list[int]]:
    """The numbers of each visit."""
    found: dict[str, list[int]] = {}
    for visit, number in deliveries:
        found.setdefault(visit, []).append(number)
    return found.values()


def _folded(service: Service, end: int) -> Iterator[str]:
    """Every session is what a fold of its events as of the end of the log gives."""
    for session in _sessions(service):
        afresh = service.get(f"/v1/sessions/{session['id']}?known_at_position={end}")
        told, folded = ([one[name] for name in COMPARED] for one in (session, afresh))
        if told != folded:
            yield f"{session['id']} is {told}, and folded anew {folded}"


def _verified(standing: Standing) -> list[str]:
    command = [sys.executable, "-c", "from app import main; main()", "audit", "verify"]
    env = surroundings(standing.url, standing.folder, standing.configuration)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"audit verify: {done.stdout}{done.stderr}"]


def _events(service: Service) -> Iterator[dict[str, Any]]:
    after = 0
    while page := service.get(f"/v1/events?after={after}&limit=100")["data"]:
        yield from page
        after = page[-1]["position"]


def _sessions(service: Service) -> Iterator[dict[str, Any]]:
    cursor = ""
    while cursor is not None:
        page = service.get(f"/v1/sessions?limit=100{cursor and '&cursor='}{cursor}")
        yield from page["data"]
        cursor = page["next_cursor"]


def _some(all_of_them: Iterable[Any]) -> str:
    return ", ".join(map(str, sorted(all_of_them)[:5]))
