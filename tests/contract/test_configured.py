"""Changes of the configuration are recorded in the log, each once, whoever starts first."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from adapters.sql import Configured, note_configuration, secrets_changed
from tests.support.erasing import Erasing

BEFORE = {
    "clinic": Configured("wms", {"env:OLD": "1", "env:NEW": "2"}),
    "energy": Configured("amps", {"file:amps": "3"}),
}


@pytest.fixture
def bench(database_url: str) -> Iterator[Erasing]:
    bench = Erasing(database_url)
    yield bench
    bench.close()


def noted(bench: Erasing, sources: dict[str, Configured]) -> list[dict[str, Any]]:
    return note_configuration(bench.engine, bench.log, bench.recorder, sources)


def recorded(bench: Erasing) -> list[Any]:
    rows = bench.rows("SELECT body FROM payloads WHERE source = 'hookfold' ORDER BY position")
    return [msgspec.json.decode(body) for (body,) in rows]


def test_the_first_start_is_no_change(bench: Erasing):
    assert noted(bench, BEFORE) == []
    assert noted(bench, BEFORE) == []
    assert recorded(bench) == []


def test_every_change_is_told_by_source_and_reference(bench: Erasing):
    noted(bench, BEFORE)

    changes = noted(
        bench,
        {
            "clinic": Configured("wms", {"env:NEW": "2"}, node_ascii=True),
            "energy": Configured("amps", {"file:amps": "another"}, keep_for=86_400_000_000, api_key={"file:key": "5"}),
            "notes": Configured("augmentos"),
        },
    )

    assert changes == [
        {"source": "clinic", "change": "secret_removed", "secret": "env:OLD"},
        {"source": "clinic", "change": "node_ascii_on"},
        {"source": "energy", "change": "secret_replaced", "secret": "file:amps"},
        {"source": "energy", "change": "api_key_added", "secret": "file:key"},
        {"source": "energy", "change": "keep_for", "from": None, "seconds": 86_400},
        {"source": "notes", "change": "source_added"},
    ]
    (event,) = recorded(bench)
    assert (event["type"], event["changes"]) == ("configuration_changed", changes)


def test_every_other_setting_that_changes_is_told_with_what_it_was_and_is_now(bench: Erasing):
    own = {"max_body": 1.0, "checkpoint_every": 60.0}
    before = Configured("mentraos", settings={"package_name": "com.example.old", "presumed_ended_after": 60.0})
    noted(bench, {"captions": before, "hookfold": Configured("hookfold", settings=own)})

    changes = noted(
        bench,
        {
            "captions": Configured("mentraos", settings={"package_name": "com.example.new"}),
            "energy": Configured("amps", settings={"overdue_after": 600.0}),
            "hookfold": Configured("hookfold", settings=own | {"checkpoint_every": 5.0}),
        },
    )

    assert changes == [
        {"source": "captions", "change": "package_name", "from": "com.example.old", "to": "com.example.new"},
        {"source": "captions", "change": "presumed_ended_after", "from": 60.0, "to": None},
        {"source": "energy", "change": "source_added"},
        {"source": "energy", "change": "overdue_after", "from": None, "to": 600.0},
        {"source": "hookfold", "change": "checkpoint_every", "from": 60.0, "to": 5.0},
    ]
    assert [event["changes"] for event in recorded(bench)] == [changes]


def test_what_the_last_start_did_not_note_is_no_change_and_is_noted_now(bench: Erasing):
    captions = Configured("mentraos", settings={"package_name": "com.example.old"})
    own = {"hookfold": Configured("hookfold", settings={"max_body": 1.0})}
    noted(bench, {"captions": Configured("mentraos")})

    unknown = noted(bench, {"captions": captions, **own})
    known = noted(bench, {"captions": Configured("mentraos", settings={}), **own})

    assert (unknown, known) == (
        [],
        [{"source": "captions", "change": "package_name", "from": "com.example.old", "to": None}],
    )


def test_a_source_that_is_gone_is_told(bench: Erasing):
    noted(bench, BEFORE)

    changes = noted(bench, {"clinic": BEFORE["clinic"]})

    assert {"source": "energy", "change": "source_removed"} in changes


def test_two_processes_that_start_together_record_a_change_once(bench: Erasing, database_url: str):
    other = Erasing(database_url)
    noted(bench, BEFORE)

    assert noted(bench, {"clinic": BEFORE["clinic"]}) != []
    assert noted(other, {"clinic": BEFORE["clinic"]}) == []

    assert len(recorded(bench)) == 1
    other.close()


def test_when_the_secrets_of_a_source_changed_is_kept_through_every_later_start(bench: Erasing):
    clinic = Configured("wms", {"env:NEW": "2"})
    noted(bench, BEFORE)
    assert secrets_changed(bench.engine) == {}

    noted(bench, BEFORE | {"clinic": clinic})
    changed = secrets_changed(bench.engine)
    noted(bench, BEFORE | {"clinic": msgspec.structs.replace(clinic, node_ascii=True)})

    assert list(changed) == ["clinic"]
    assert secrets_changed(bench.engine) == changed
