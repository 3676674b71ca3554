"""Long streams on both databases: a late event is answered at once and folded beside, and all comes to one state."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.sql import LongStreams
from adapters.sql.erasure.erase import Eraser
from adapters.sql.erasure.retract import Retractor
from adapters.sql.log.log import Log
from adapters.sql.long_streams.background import Refolded
from adapters.sql.long_streams.long_fold import LongFolds
from adapters.sql.projections import dirty_streams
from adapters.sql.projections.dirty_streams import DirtyStream
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.versions import raise_epoch
from tests.support.house import NOON, House, pushed, start, stop, wms
from tests.support.releases import faulty
from tests.support.rows import folded_whole, rows, stored

few = settings(max_examples=8, suppress_health_check=list(HealthCheck))
visits = count()


@pytest.fixture
def house(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """What has more than three events is long here."""
    monkeypatch.setattr(dirty_streams, "AT_ONCE", 3)
    house = House(database_url)
    yield house
    house.close()


@pytest.fixture
def beside(house: House) -> LongStreams:
    return LongStreams(house.engine, house.code)


def one_more_meanwhile(house: House, more: Callable[[], Any]) -> LongStreams:
    """Folds beside; the first time, something happens before the result is written."""
    due = [more]

    class Meanwhile(LongStreams):
        def _fold(self, stream: DirtyStream) -> Refolded:
            folded = super()._fold(stream)
            while due:
                due.pop()()
            return folded

    return Meanwhile(house.engine, house.code)


def marks(house: House) -> list[Any]:
    return rows(house, "SELECT beside, error FROM unfolded")


def visit(house: House, name: str = "visit", numbers: range = range(1, 6)) -> None:
    for number in numbers:
        house.send("clinic", wms(name, number, "CONFIGURATION_LOADED", 10 + number))


def push(house: House, action: str, number: int, **more: Any) -> int:
    """A message about an action, at 22:0n; its position."""
    more = {"completedAt": f"2023-11-14T22:0{number}:00Z"} | more
    return house.send("energy", pushed(action, **more), f"{action}-{number}")[1]


def late_push(house: House) -> int:
    """An action that has to be folded beside; the position of its third message."""
    third = [push(house, "one", number) for number in range(1, 6)][2]
    push(house, "one", 0)
    assert marks(house) == [(1, None)]
    return third


def retractor(house: House) -> Retractor:
    return Retractor(house.log, house.recorder, Invalidator(house.log._dialect, house.code))


def erase(house: House, name: str) -> None:
    eraser = Eraser(house.engine, house.log, house.recorder, Invalidator(house.log._dialect, house.code))
    eraser.erase(eraser.of_streams([house.ids.of("session", "clinic", name)]), "asked for")


def state(house: House, name: str = "visit") -> dict[str, Any]:
    ((found,),) = (house.get("/v1/sessions", session_id=name)["data"],)
    return {field: found[field] for field in ("state", "events", "run_count")}


def test_a_late_event_of_a_long_stream_is_committed_at_once_and_folded_beside(house: House, beside: LongStreams):
    visit(house)

    verdict, _ = house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    assert verdict == "new"
    assert marks(house) == [(1, None)]
    assert state(house)["events"] == 5
    beside.fold_all()
    assert marks(house) == []
    assert state(house) == {"state": "configured", "events": 6, "run_count": 1}
    assert stored(house) == folded_whole(house)


def test_a_late_event_of_a_short_stream_is_folded_with_its_answer(house: House):
    visit(house, numbers=range(1, 3))

    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    assert marks(house) == []
    assert state(house)["events"] == 3


def test_who_waits_for_a_position_waits_until_it_is_folded(house: House, beside: LongStreams):
    visit(house)
    _, late = house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    assert house.problem("/v1/sessions", 503, min_position=late)["parameter"] == "min_position"
    assert house.get("/v1/sessions", min_position=late - 1)["data"]

    beside.fold_all()
    assert house.get("/v1/sessions", min_position=late)["data"][0]["events"] == 6


def test_other_streams_go_on_as_ever_while_a_long_one_waits(house: House):
    visit(house)
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    house.send("clinic", wms("another", 0))

    assert state(house, "another")["events"] == 1
    assert rows(house, "SELECT count(*) FROM unfolded") == [(1,)]


def test_what_comes_in_order_while_it_is_folded_is_in_the_result(house: House):
    visit(house)
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))
    folding = one_more_meanwhile(house, lambda: visit(house, numbers=range(6, 8)))

    folding.fold_next()

    assert marks(house) == []
    assert stored(house) == folded_whole(house)


def test_what_comes_late_while_it_is_folded_is_folded_next(house: House):
    visit(house, numbers=range(2, 7))
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))
    folding = one_more_meanwhile(house, lambda: house.send("clinic", wms("visit", 1, "CONFIGURATION_LOADED", 11)))

    folding.fold_next()
    assert marks(house) == [(1, None)]
    assert state(house)["events"] == 6

    folding.fold_next()
    assert marks(house) == []
    assert stored(house) == folded_whole(house)


def test_a_fold_that_began_before_a_retraction_is_not_written(house: House):
    visit(house)
    _, late = house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))
    retract = f"INSERT INTO retractions VALUES ('clinic', {late - 1}, {late})"

    def taken_back() -> None:
        with house.engine.begin() as connection:
            connection.execute(text(retract))
            raise_epoch(connection.connection.cursor(), house.log._dialect)

    folding = one_more_meanwhile(house, taken_back)

    folding.fold_next()
    assert marks(house) == [(1, None)]

    folding.fold_all()
    assert state(house)["events"] == 5
    assert stored(house) == folded_whole(house)


def test_a_conflict_in_another_stream_of_the_source_costs_a_fold_nothing(house: House):
    push(house, "another", 0)
    late_push(house)
    folding = one_more_meanwhile(house, lambda: push(house, "another", 0, result={"ok": False}))

    folding.fold_next()

    assert marks(house) == []
    assert rows(house, "SELECT verdict FROM deliveries") == [("conflict",)]
    assert stored(house) == folded_whole(house)


def test_a_retraction_in_another_stream_of_the_source_costs_a_fold_nothing(house: House):
    visit(house)
    house.send("clinic", wms("another", 0))
    _, lie = house.send("clinic", wms("another", 1))
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))
    folding = one_more_meanwhile(house, lambda: retractor(house).retract(lie, "a lie"))

    folding.fold_next()

    assert marks(house) == []
    assert stored(house) == folded_whole(house)


def test_a_fold_that_began_before_a_conflict_in_its_stream_is_not_written(house: House):
    third = late_push(house)
    folding = one_more_meanwhile(house, lambda: push(house, "one", 3, result={"ok": False}))

    folding.fold_next()
    assert marks(house) == [(2, None)]

    folding.fold_all()
    assert marks(house) == []
    assert (str(third),) in rows(house, "SELECT conflicts FROM projections")
    assert stored(house) == folded_whole(house)


def test_a_conflict_outdates_a_fold_though_its_delivery_does_not_stay(house: House):
    late_push(house)

    def pruned() -> None:
        push(house, "one", 3, result={"ok": False})
        with house.engine.begin() as connection:
            connection.execute(text("DELETE FROM deliveries"))

    one_more_meanwhile(house, pruned).fold_next()

    assert marks(house) == [(2, None)]


def test_a_fold_that_began_before_an_erasure_brings_nothing_back(house: House):
    visit(house)
    house.send("clinic", wms("visit", 6, "MEASUREMENT_STARTED", 16, measurementId="anna"))
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    one_more_meanwhile(house, lambda: erase(house, "visit")).fold_next()

    assert marks(house) == []
    assert rows(house, "SELECT measurement_id FROM measurements") == [(None,)]
    assert not any(b"anna" in bytes(snapshot) for (snapshot,) in rows(house, "SELECT snapshot FROM projections"))


def test_a_fold_that_began_before_an_erasure_is_not_written_where_the_stream_is_late_again(house: House):
    visit(house)
    house.send("clinic", wms("visit", 6, "MEASUREMENT_STARTED", 16, measurementId="anna"))
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    def erased_and_late_again() -> None:
        erase(house, "visit")
        house.send("clinic", wms("visit", 8, "MEASUREMENT_CREATED", 18))
        house.send("clinic", wms("visit", 7, "CAMERA_STARTED", 17))

    folding = one_more_meanwhile(house, erased_and_late_again)
    folding.fold_next()
    assert marks(house) == [(1, None)]
    assert not any(b"anna" in bytes(snapshot) for (snapshot,) in rows(house, "SELECT snapshot FROM projections"))

    folding.fold_all()
    assert marks(house) == []
    assert stored(house) == folded_whole(house)


def test_a_fault_of_the_fold_is_told_and_stops_nothing(house: House):
    visit(house)
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))
    broken, code = LongStreams(house.engine, house.code), _with(house, faulty("WMS_LOADED"))
    broken._long_folds = LongFolds(house.log._dialect, code, Refolder(house.log._dialect, code))

    broken.fold_all()

    ((beside, error),) = marks(house)
    assert (beside, error.split()[0]) == (1, "ZeroDivisionError")
    house.send("clinic", wms("visit", 6, "CAMERA_PERMISSION_GRANTED", 16))
    LongStreams(house.engine, house.code).fold_all()
    assert stored(house) == folded_whole(house)


def _with(house: House, machines: Any) -> Any:
    return type(house.code)(house.ids, house.code.sources, machines)


def test_another_writer_folds_on_nothing_that_is_out_of_date(house: House, beside: LongStreams):
    visit(house)
    other = Log(house.engine, house.code, lambda: NOON)
    other.append([house.entry("clinic", wms("visit", 6, "CAMERA_PERMISSION_GRANTED", 16))])
    house.send("clinic", wms("visit", 0, "WMS_LOADED", 10))

    other.append([house.entry("clinic", wms("visit", 7, "CAMERA_STARTED", 17))])
    other.close()

    assert marks(house) == [(1, None)]
    beside.fold_all()
    assert stored(house) == folded_whole(house)


@few
@given(st.data())
def test_any_order_of_arrival_comes_to_the_fold_of_the_whole(house: House, beside: LongStreams, data: st.DataObject):
    name = f"any{next(visits)}"
    kinds = ["WMS_LOADED", "CONFIGURATION_LOADED", "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "PAGE_UNLOADED"]
    events = [
        ("clinic", wms(name, number % 6, kinds[number % 5], 1 + 2 * number, measurementId=f"{name}-{number // 6}"))
        for number in range(12)
    ]
    events += [("captions", (start if number % 2 else stop)(name, f"22:{number:02}:00")) for number in range(8)]
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))

    for source, document in data.draw(st.permutations([*events, *again])):
        house.send(source, document)
        if data.draw(st.integers(0, 3)) == 0:
            beside.fold_next()
    beside.fold_all()

    assert marks(house) == []
    assert stored(house) == folded_whole(house)
