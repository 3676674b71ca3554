"""Late events of long streams on both databases: folded from the prefix before them, and written a piece at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from adapters.sql import LongStreams
from adapters.sql.erasure.retract import Retractor
from adapters.sql.long_streams import pieces, thinning
from adapters.sql.long_streams.background import Refolded
from adapters.sql.long_streams.pieces import Piece
from adapters.sql.projections import dirty_streams, projection
from adapters.sql.projections.dirty_streams import DirtyStream, mark_dirty
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.projections.versions import raise_epoch
from adapters.sql.queries import parts
from core.folding import prefixes
from core.folding.fold import MACHINES
from core.states import records
from core.states import state as states
from tests.support.house import House, wms
from tests.support.rows import folded_whole, rows, stored

VISITS = 5


@pytest.fixture
def house(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """What has more than four events is long here, little stays in a state, and each row is a piece."""
    monkeypatch.setattr(dirty_streams, "AT_ONCE", 4)
    monkeypatch.setattr(prefixes, "EVERY", 4)
    monkeypatch.setattr(prefixes, "LONG", 3)
    monkeypatch.setattr(records, "KEPT", 1)
    monkeypatch.setattr(states, "HELD", 1)
    for module in (states, projection, parts):
        monkeypatch.setattr(module, "BLOCK", 1)
    for name in ("MEASURED_ROWS", "BLOCKS", "STATES", "KEYS"):
        monkeypatch.setattr(pieces, name, 1)
    house = House(database_url)
    house.log.append([house.entry("clinic", one) for number in range(VISITS) for one in visit(number)])
    yield house
    house.close()


def visit(number: int, *, name: str = "kiosk") -> list[dict[str, Any]]:
    named = {"measurementId": f"m-{number}"}
    told = [
        ("WMS_LOADED", {}),
        ("MEASUREMENT_STARTED", {}),
        ("MEASUREMENT_CREATED", named),
        ("RESULTS_RECEIVED", named),
    ]
    return [wms(name, at, kind, 60 * number + at, **more) for at, (kind, more) in enumerate(told)]


def late(house: House, second: int) -> None:
    house.log.append([house.entry("clinic", wms("kiosk", 9, "PAGE_VISIBILITY_CHANGE", second, visible="HIDDEN"))])
    assert rows(house, "SELECT beside FROM unfolded") == [(1,)]


def prefixes_of(house: House) -> dict[int, bytes]:
    return {at: bytes(state) for at, state in rows(house, "SELECT position, snapshot FROM prefixes")}


def all_runs(house: House) -> list[Any]:
    session = house.ids.of("session", "clinic", "kiosk")
    return list(house.get(f"/v1/sessions/{session}/runs", limit=100)["data"])


class Begins(LongStreams):
    """Notes where folds began."""

    def _fold(self, stream: DirtyStream) -> Refolded:
        refolded = super()._fold(stream)
        begins = refolded.folded and refolded.folded.begins
        self.began = [*getattr(self, "began", []), begins.position if begins else 0]
        return refolded


def between_pieces(house: House, act: Callable[[], Any]) -> LongStreams:
    """Folds beside; each time that a piece is written, something happens before the next one."""

    class Between(LongStreams):
        def _claim(self, refolded: Refolded) -> bool:
            claimed = super()._claim(refolded)
            act()
            return claimed

        def _is_still_ours(self, cursor: Any, refolded: Refolded) -> bool:
            cursor.connection.commit()
            act()
            self._dialect.begin_beside(cursor, turn=True)
            return super()._is_still_ours(cursor, refolded)

    return Between(house.engine, house.code)


def test_a_late_event_is_folded_from_the_prefix_before_it(house: House):
    kept = prefixes_of(house)
    beside = Begins(house.engine, house.code)

    late(house, 60 * (VISITS - 1) - 5)
    beside.fold_all()

    (began,) = beside.began
    assert began == 4 * (VISITS - 1)
    assert {at: state for at, state in prefixes_of(house).items() if at <= began} == {
        at: state for at, state in kept.items() if at <= began
    }
    assert max(prefixes_of(house)) > began
    assert stored(house) == folded_whole(house)
    assert [one["run"] for one in all_runs(house)] == list(range(1, VISITS + 1))


def test_a_late_event_before_all_others_is_folded_with_all_of_them(house: House):
    beside = Begins(house.engine, house.code)

    late(house, -60)
    beside.fold_all()

    assert beside.began == [0]
    assert stored(house) == folded_whole(house)
    assert len(all_runs(house)) == VISITS + 1


def test_a_stream_of_which_an_event_was_taken_back_is_folded_from_its_first_one(house: House):
    Retractor(house.log, house.recorder, Invalidator(house.log._dialect, house.code)).retract(9, "a lie")
    beside = Begins(house.engine, house.code)

    late(house, 60 * (VISITS - 1) - 5)
    beside.fold_all()

    assert beside.began == [0]
    assert stored(house) == folded_whole(house)


def test_a_stream_that_another_release_has_left_is_folded_from_its_first_event(house: House):
    stream = ("clinic", house.ids.of("session", "clinic", "kiosk"), MACHINES["measurement"].fingerprint)
    with house.engine.begin() as connection:
        cursor = connection.connection.cursor()
        mark_dirty(cursor, house.log._dialect, [(*stream, 1)])
        raise_epoch(cursor, house.log._dialect)
    beside = Begins(house.engine, house.code)

    house.get("/v1/sessions")
    beside.fold_all()

    assert beside.began == [0]
    assert rows(house, "SELECT count(*) FROM unfolded") == [(0,)]
    assert stored(house) == folded_whole(house)


def test_an_event_that_names_a_measurement_of_long_ago_is_folded_from_where_that_was_not_over(house: House):
    named = wms("kiosk", 4, "PAGE_VISIBILITY_CHANGE", 60 * (VISITS - 1) + 20, visible="HIDDEN", measurementId="m-1")
    house.log.append([house.entry("clinic", named)])
    beside = Begins(house.engine, house.code)

    late(house, 60 * (VISITS - 1) - 5)
    beside.fold_all()

    assert beside.began[0] < 8
    assert stored(house) == folded_whole(house)


def test_deliveries_are_taken_between_the_pieces_of_a_result(house: House):
    other = iter(wms("other", number, "PAGE_VISIBILITY_CHANGE", number, visible="HIDDEN") for number in range(99))
    taken: list[str] = []

    def send() -> None:
        taken.append(house.send("clinic", next(other))[0])

    late(house, -60)
    between_pieces(house, send).fold_all()

    assert len(taken) > VISITS
    assert set(taken) == {"new"}
    assert stored(house) == folded_whole(house)


def test_while_its_rows_are_written_a_stream_tells_runs_of_one_fold(house: House, monkeypatch: pytest.MonkeyPatch):
    for name in ("MEASURED_ROWS", "STATES", "KEYS"):
        monkeypatch.setattr(pieces, name, 99)
    told: list[int] = []
    late(house, -60)

    between_pieces(house, lambda: told.append(len(all_runs(house)))).fold_all()

    assert set(told[1:-1]) <= {VISITS, VISITS + 1}
    assert len(all_runs(house)) == VISITS + 1


def test_whoever_finds_rows_half_written_begins_again(house: House, monkeypatch: pytest.MonkeyPatch):
    late(house, -60)
    write, left = Piece.write, [4]

    def breaks(piece: Piece, *told: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise MemoryError
        write(piece, *told)

    monkeypatch.setattr(Piece, "write", breaks)
    with pytest.raises(MemoryError):
        LongStreams(house.engine, house.code).fold_all()
    assert rows(house, "SELECT count(*) FROM unfolded") == [(1,)]
    house.log.append([house.entry("clinic", one) for one in visit(VISITS)])

    LongStreams(house.engine, house.code).fold_all()

    assert rows(house, "SELECT count(*) FROM unfolded") == [(0,)]
    assert stored(house) == folded_whole(house)
    assert len(all_runs(house)) == VISITS + 2


def test_of_two_that_fold_one_stream_the_second_one_takes_over(house: House):
    late(house, -60)
    second = [LongStreams(house.engine, house.code)]

    def take_over() -> None:
        if second and rows(house, "SELECT count(*) FROM prefixes") == [(0,)]:
            second.pop().fold_all()

    between_pieces(house, take_over).fold_all()

    assert not second
    assert rows(house, "SELECT count(*) FROM unfolded") == [(0,)]
    assert stored(house) == folded_whole(house)


def test_prefixes_that_appends_have_left_are_thinned_in_the_middle_of_a_stream(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(thinning, "MANY", 4)
    monkeypatch.setattr(prefixes, "NEAR", 2)
    other = [wms("lobby", number, "PAGE_VISIBILITY_CHANGE", number, visible="HIDDEN") for number in range(80)]
    house.log.append([house.entry("clinic", one) for one in other])
    before = prefixes_of(house)
    beside = LongStreams(house.engine, house.code)

    for _ in range(3):
        beside.thin()

    after = prefixes_of(house)
    assert after.items() < before.items()
    assert len(after) < len(before) / 2
    assert max(after) == max(before)


def test_what_an_older_release_leaves_of_an_erased_stream_is_forgotten(house: House):
    erased = "INSERT INTO erased SELECT source, stream, 1, '{}', '' FROM streams WHERE source = 'clinic'"
    with house.engine.begin() as connection:
        connection.execute(text(erased))
    assert prefixes_of(house)

    LongStreams(house.engine, house.code).forget_erased()

    assert prefixes_of(house) == {}
