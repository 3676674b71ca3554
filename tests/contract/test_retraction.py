"""What a retraction does: the event stays, the fold skips it, on both databases."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from adapters.sql.erasure.retract import Unretractable
from core.folding import fold
from tests.support.erasing import Erasing
from tests.support.logs import IDS, wms


@pytest.fixture
def bench(database_url: str) -> Iterator[Erasing]:
    bench = Erasing(database_url)
    yield bench
    bench.close()


def send(bench: Erasing, *documents: dict[str, Any]) -> None:
    for document in documents:
        bench.append(bench.entry("clinic", document))


def state(bench: Erasing) -> Any:
    ((snapshot,),) = bench.rows("SELECT snapshot FROM projections")
    return fold.decode(fold.MACHINES["measurement"], snapshot)


def test_a_lie_is_skipped_by_the_fold_and_stays_in_the_log(bench: Erasing):
    send(bench, wms("s", 0), wms("s", 1, "GENERAL_ERROR"))
    assert state(bench).state == "failed"

    at = bench.retractor.retract(2, "forged by a stranger", by="the operator")

    assert (at, state(bench).state, state(bench).events) == (3, "loaded", 1)
    assert bench.rows("SELECT position, type FROM events ORDER BY position") == [
        (1, "WMS_LOADED"),
        (2, "GENERAL_ERROR"),
        (3, "retracted"),
    ]


def test_the_event_that_tells_of_it_says_who_what_and_why(bench: Erasing):
    send(bench, wms("s", 0))

    bench.retractor.retract(1, "forged")

    ((body,),) = bench.rows("SELECT body FROM payloads WHERE source = 'hookfold'")
    told = msgspec.json.decode(body)
    assert {name: told[name] for name in ("type", "who", "through", "position", "reason")} == {
        "type": "retracted",
        "who": "local",
        "through": "command line",
        "position": 1,
        "reason": "forged",
    }


def test_what_comes_later_is_folded_without_the_lie_whatever_its_order(bench: Erasing):
    send(bench, wms("s", 0), wms("s", 2, "GENERAL_ERROR"))
    bench.retractor.retract(2, "forged")

    send(bench, wms("s", 3, "CAMERA_PERMISSION_GRANTED"), wms("s", 1, "CONFIGURATION_LOADED"))

    assert state(bench).state == "camera_granted"
    assert [anomaly.kind for anomaly in state(bench).anomalies] == ["gap", "late"]


def test_a_retracted_key_stays_a_duplicate(bench: Erasing):
    send(bench, wms("s", 0))
    bench.retractor.retract(1, "forged")

    receipt = bench.append(bench.entry("clinic", wms("s", 0)))

    assert (receipt.verdict, receipt.position) == ("duplicate", 1)
    assert state(bench).events == 0


def test_a_measurement_that_only_lies_told_of_is_gone(bench: Erasing):
    send(bench, wms("s", 0), wms("s", 1, "MEASUREMENT_STARTED"), wms("s", 2, "MEASUREMENT_CREATED", measurementId="m"))
    assert bench.rows("SELECT count(*) FROM measurements") == [(1,)]

    bench.retractor.retract(2, "forged")
    bench.retractor.retract(3, "forged")

    assert bench.rows("SELECT count(*) FROM measurements") == [(0,)]


def test_another_process_folds_without_it_too(bench: Erasing, database_url: str):
    other = Erasing(database_url)
    send(other, wms("s", 0), wms("s", 1, "GENERAL_ERROR"))
    bench.retractor.retract(2, "forged")

    send(other, wms("s", 2, "CONFIGURATION_LOADED"))

    assert state(other).state == "configured"
    other.close()


@pytest.mark.parametrize(
    ("position", "why"),
    [
        (9, "there is no event at position 9"),
        (2, "it is retracted already, by the event at position 4"),
        (3, "it was erased, as the event at position 5 tells"),
        (4, "what Hookfold recorded about itself stays"),
        (6, "it moves nothing: it belongs to no stream"),
    ],
)
def test_what_cannot_be_retracted_is_told_and_nothing_is_written(bench: Erasing, position: int, why: str):
    send(bench, wms("s", 0), wms("s", 1), wms("t", 0))
    bench.retractor.retract(2, "forged")
    bench.erase(IDS.of("session", "clinic", "t"))
    unreadable = bench.entry("clinic", {"sessionId": 7})
    bench.append(unreadable)
    before = bench.rows("SELECT count(*) FROM events")

    with pytest.raises(Unretractable) as refused:
        bench.retractor.retract(position, "forged")

    assert str(refused.value) == why
    assert bench.rows("SELECT count(*) FROM events") == before
