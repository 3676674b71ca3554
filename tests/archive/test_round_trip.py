"""Out of one log and into another."""

import pytest

from adapters.sql import ImportOutcome, Unimportable
from core.ids import Ids
from tests.archive.conftest import Journey, Make
from tests.support.house import pushed, start, wms
from tests.support.travel import LATER, Place

EVENTS = "SELECT * FROM events ORDER BY position"
PAYLOADS = "SELECT source, position, type, headers, body, salt FROM payloads ORDER BY position"
DELIVERIES = "SELECT * FROM deliveries ORDER BY delivery"
STREAMS = "SELECT * FROM streams ORDER BY opened, stream"
DUPLICATES = "SELECT count(*) FROM deliveries WHERE source = 'clinic' AND verdict = 'duplicate'"
CONFLICTS = "SELECT source, position, head, first_head, times FROM conflicts ORDER BY position"
COUNTED = "SELECT source, position, times FROM duplicates ORDER BY position"


def test_an_export_of_an_import_of_an_export_is_the_same_file(journey: Journey):
    there, here = journey
    file = there.export()

    outcome = here.take(file)

    assert (outcome.kept, outcome.appended, outcome.deliveries) == (14, 0, 3)
    assert here.export() == file


def test_the_same_on_one_kind_of_database(short_journey: Journey):
    there, here = short_journey
    file = there.export()

    here.take(file)

    assert here.export() == file
    assert here.told() == there.told()


def test_an_empty_log_takes_over_every_row_as_it_was(journey: Journey):
    there, here = journey

    here.take(there.export())

    for sql in (EVENTS, PAYLOADS, DELIVERIES, STREAMS):
        assert here.rows(sql) == there.rows(sql)


def test_ids_and_states_are_the_same_on_the_other_database(journey: Journey):
    there, here = journey

    here.take(there.export())

    assert here.told() == there.told()


def test_an_import_again_changes_nothing(journey: Journey):
    there, here = journey
    file = there.export()
    here.take(file)

    again = here.take(file)

    assert again == ImportOutcome(known=14, known_deliveries=3)
    assert here.export() == file


def test_an_import_that_stopped_half_way_goes_on_where_it_stopped(journey: Journey):
    there, here = journey
    file = there.export()
    with pytest.raises(Unimportable, match="cut off"):
        here.take(b"".join(file.splitlines(keepends=True)[:9]))

    rest = here.take(file)

    assert (rest.known, rest.kept, rest.appended) == (6, 8, 0)
    assert here.export() == file


def test_a_later_export_brings_what_came_since(journey: Journey):
    there, here = journey
    here.take(there.export())
    there.send("clinic", wms("s-1", 4))
    there.send("clinic", wms("s-1", 4))

    more = here.take(there.export())

    assert (more.kept, more.deliveries, more.known) == (1, 1, 14)
    assert here.export() == there.export()


def test_duplicates_that_are_only_counted_come_along(journey: Journey):
    there, here = journey
    flood(there, 1_300)
    file = there.export()

    here.take(file)
    here.take(file)

    assert here.rows(COUNTED) == there.rows(COUNTED) == [("clinic", 1, 300)]
    assert here.export() == file


def test_a_later_export_brings_the_count_that_there_is_by_then(journey: Journey):
    there, here = journey
    flood(there, 600)
    here.take(there.export())
    flood(there, 1_700)
    here.take(there.export())

    flood(there, 10)
    flood(here, 10)

    assert here.rows(COUNTED) == there.rows(COUNTED) == [("clinic", 1, 1_310)]
    assert here.rows(DUPLICATES) == there.rows(DUPLICATES) == [(1_000,)]


def test_a_living_log_takes_the_count_for_its_own_event_once(journey: Journey):
    there, here = journey
    here.send("older", start("somebody"))
    flood(there, 1_300)
    file = there.export()

    here.take(file)
    again = here.take(file)

    assert here.rows(COUNTED) == [("clinic", 2, 300)]
    assert again.deliveries == 0


def test_conflicts_that_are_only_counted_come_along(journey: Journey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 0)
    there, here = journey
    dispute(there)
    file = there.export()

    here.take(file)
    again = here.take(file)

    assert here.rows(CONFLICTS) == there.rows(CONFLICTS)
    assert [times for *_, times in here.rows(CONFLICTS)[:1]] == [5]
    assert (again.deliveries, here.export() == file, here.told() == there.told()) == (0, True, True)


def test_a_later_export_brings_the_count_of_conflicts_and_pushes_out_what_it_counts(
    journey: Journey, monkeypatch: pytest.MonkeyPatch
):
    there, here = journey
    here.take(there.export())
    before = there.export()
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 0)
    dispute(there)

    here.take(there.export())
    stale = here.take(before)

    assert (stale.deliveries, here.rows(CONFLICTS)) == (0, there.rows(CONFLICTS))
    assert here.export() == there.export()


def test_a_conflict_that_is_only_counted_is_one_in_a_living_log(journey: Journey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.sql.log.kept_deliveries.KEPT_BYTES", 0)
    there, here = journey
    here.send("clinic", wms("here", 0))
    dispute(there)

    here.take(there.export())

    (action,) = here.get("/v1/actions", action_id="a-1")["data"]
    assert [anomaly["kind"] for anomaly in action["anomalies"]] == ["conflict"]


def test_a_living_log_appends_and_keeps_the_clocks_of_the_origin(journey: Journey):
    there, here = journey
    here.send("clinic", wms("here", 0))

    outcome = here.take(there.export())

    assert (outcome.kept, outcome.appended) == (0, 14)
    taken = here.get("/v1/events/2")
    assert taken["origin"] == {"position": 1, "recorded_at": there.get("/v1/events/1")["recorded_at"]}
    assert taken["received_at"] == "2023-11-14T22:13:20.000000Z"
    assert taken["recorded_at"].startswith("2023-11-15")
    assert "origin" not in here.get("/v1/events/1")


def test_a_living_log_comes_to_the_same_states(journey: Journey):
    there, here = journey
    here.send("clinic", wms("here", 0))

    here.take(there.export())

    states = here.told(positions=False)
    states["sessions"] = [one for one in states["sessions"] if one["session_id"] != "here"]
    assert states == there.told(positions=False)


def test_a_living_log_takes_each_event_once(journey: Journey):
    there, here = journey
    file = there.export()
    here.send("clinic", wms("s-1", 3))
    here.take(file)
    before = here.rows("SELECT count(*) FROM events"), here.rows("SELECT count(*) FROM deliveries")

    again = here.take(file)

    assert (again.appended, again.known, again.deliveries, again.known_deliveries) == (0, 14, 0, 2)
    assert (
        (here.rows("SELECT count(*) FROM events"), here.rows("SELECT count(*) FROM deliveries"))
        == before
        == ([(14,)], [(2,)])
    )


def test_a_key_that_is_here_with_another_body_is_a_conflict_that_is_told_once(journey: Journey):
    there, here = journey
    here.send("energy", b'{"actionId": "a-1", "failedAt": "2023-11-14T22:00:00Z"}', key="msg_1")
    file = there.export()

    first, again = here.take(file), here.take(file)

    assert (first.conflicts, again.conflicts) == (1, 1)
    assert len(here.rows("SELECT 1 FROM deliveries WHERE verdict = 'conflict'")) == 2
    action = here.get("/v1/actions", action_id="a-1")["data"][0]
    assert action["state"] == "failed"
    assert [anomaly["kind"] for anomaly in action["anomalies"]] == ["conflict"]


def test_a_conflict_survives_the_journey(journey: Journey):
    there, here = journey

    here.take(there.export())

    action = here.get("/v1/actions", action_id="a-1")["data"][0]
    assert [anomaly["kind"] for anomaly in action["anomalies"]] == ["conflict"]


def test_the_log_goes_on_behind_what_was_imported(journey: Journey):
    there, here = journey
    here.take(there.export())

    verdicts = [here.send("clinic", wms("s-1", 3)), here.send("clinic", wms("s-1", 4))]

    assert verdicts == [("duplicate", 3), ("new", 15)]


def test_a_selection_is_appended_also_to_an_empty_log(journey: Journey):
    there, here = journey

    outcome = here.take(there.export(sources=["energy"]))

    assert (outcome.kept, outcome.appended) == (0, 3)
    assert [event["position"] for event in here.get("/v1/events")["data"]] == [1, 2, 3]


def test_another_secret_is_refused_with_what_to_do(journey: Journey):
    there, here = journey

    with pytest.raises(Unimportable, match=r"line 1: .*another service secret.*give this service the secret"):
        here.take(there.export(), ids=Ids(b"another secret, also of 32 bytes"))

    assert here.rows("SELECT 1 FROM events") == []


def test_a_source_that_is_not_configured_is_refused_with_what_to_write(busy: Place):
    file = busy.export()
    busy.api.sources.pop("older")  # type: ignore[attr-defined]

    with pytest.raises(Unimportable, match=r"the source older is not configured here: add \[sources.older\]"):
        busy.take(file)


def test_what_hookfold_says_of_itself_is_left_out_and_its_place_is_held(journey: Journey, place: Make):
    there, here = journey
    there.own()
    there.send("clinic", wms("s-9", 0))
    file = there.export()

    outcome = here.take(file)

    assert (outcome.kept, outcome.placeholders) == (15, 1)
    assert here.rows("SELECT position FROM events WHERE source = 'hookfold'") == [(15,)]
    assert here.rows(f"SELECT * FROM ({EVENTS}) e WHERE source <> 'hookfold'") == there.rows(
        f"SELECT * FROM ({EVENTS}) e WHERE source <> 'hookfold'"
    )
    assert here.export() == file
    assert here.take(there.export()).appended == 0


def test_what_hookfold_says_of_itself_comes_along_where_it_is_asked_for(journey: Journey):
    there, here = journey
    there.own()
    there.send("clinic", wms("s-9", 0))
    file = there.export(own=True)

    here.take(file)

    assert here.rows(EVENTS) == there.rows(EVENTS)
    assert here.export(own=True) == file


def test_the_importing_clock_never_goes_back_behind_what_was_taken(journey: Journey):
    there, here = journey
    here.send("clinic", wms("here", 0))

    here.take(there.export())

    recorded = [at for (at,) in here.rows("SELECT recorded_at FROM events ORDER BY position")]
    assert recorded == sorted(recorded)
    assert recorded[0] < LATER <= recorded[1]


def test_what_was_retracted_stays_retracted(journey: Journey):
    there, here = journey
    there.keeper().retractor.retract(3, "sent by mistake")
    file = there.export()

    here.take(file)

    assert here.told() == there.told()
    assert here.export() == file
    assert here.send("clinic", wms("s-1", 9)) == there.send("clinic", wms("s-1", 9)) == ("new", 16)
    assert here.get("/v1/sessions", session_id="s-1") == there.get("/v1/sessions", session_id="s-1")


def test_what_was_erased_stays_erased_with_the_state_that_it_had(journey: Journey):
    there, here = journey
    for kind, source, name in (("session", "captions", "=ada-com.example.captions"), ("session", "clinic", "s-2")):
        eraser = there.keeper().eraser
        eraser.erase(eraser.of_streams([there.ids.of(kind, source, name)]), "asked for")
    file = there.export()
    assert b"=ada" not in file

    outcome = here.take(file)

    assert outcome.kept == 14
    assert here.told() == there.told()
    assert here.rows(EVENTS)[:14] == there.rows(EVENTS)[:14]
    assert here.export() == file
    assert here.take(file).kept == 0


def test_what_is_whole_here_stays_whole_when_it_comes_erased_and_can_be_erased_here(journey: Journey):
    there, here = journey
    here.take(there.export())
    told = here.told()
    erasing, stream = there.keeper().eraser, there.ids.of("session", "clinic", "s-2")
    erasing.erase(erasing.of_streams([stream]), "asked for")

    outcome = here.take(there.export())

    assert (outcome.whole, outcome.kept, outcome.placeholders) == (1, 0, 1)
    assert here.told() == told
    assert here.rows("SELECT count(*) FROM erased") == [(0,)]
    erasing = here.keeper().eraser
    erasing.erase(erasing.of_streams([stream]), "asked for here")
    assert here.rows("SELECT count(*) FROM payloads WHERE source = 'clinic' AND body IS NOT NULL") == there.rows(
        "SELECT count(*) FROM payloads WHERE source = 'clinic' AND body IS NOT NULL"
    )


def test_a_living_log_takes_nothing_of_what_was_erased_or_retracted(journey: Journey):
    there, here = journey
    eraser = there.keeper().eraser
    eraser.erase(eraser.of_streams([there.ids.of("session", "clinic", "s-2")]), "asked for")
    there.keeper().retractor.retract(1, "sent by mistake")
    here.send("clinic", wms("here", 0))

    outcome = here.take(there.export())

    assert (outcome.erased, outcome.retracted, outcome.appended) == (2, 1, 11)
    assert here.get("/v1/sessions", session_id="s-2")["data"] == []


def flood(log: Place, times: int) -> None:
    """Sends the first event again and again."""
    log.log.append([log.entry("clinic", wms("s-1", 0))] * times)


def dispute(log: Place) -> None:
    """Sends other bodies under the key of the first action, and then one under another key."""
    for number in range(4):
        log.send("energy", pushed("a-1", result=number), key="msg_1")
    log.send("energy", pushed("a-9"), key="msg_9")
    log.send("energy", pushed("a-9", result=1), key="msg_9")
