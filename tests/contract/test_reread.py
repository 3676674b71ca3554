"""What an older release could not read is read by a newer one: in the open, once, and the original stays."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from adapters.sql import Entry, Rereader, keeper
from adapters.sql.log.own_events import Recorder
from core.event import Unreadable
from tests.support.house import NOON, House, wms


@pytest.fixture
def house(database_url):
    """A log with two bodies that could not be read when they came, one of which never can be."""
    house = House(database_url)
    house.send("clinic", wms("scan", 0))
    _send_unread(house, json.dumps(wms("scan", 1, "CONFIGURATION_LOADED")).encode())
    _send_unread(house, b"nobody reads this")
    yield house
    house.close()


def _send_unread(house: House, body: bytes) -> None:
    reading = Unreadable("not by this release")
    identity = house.providers["clinic"].identity([], body, reading)
    house.log.append([Entry("clinic", NOON - 5, [("a", "b")], body, "env:SECRET", identity, reading)])


def rereader(house: House, meanwhile: Callable[[], object] = lambda: None) -> Rereader:
    def received(entry: Entry) -> Entry:
        meanwhile()
        provider = house.providers[entry.source]
        identity = provider.identity(entry.headers, entry.body, entry.reading)
        return msgspec.structs.replace(entry, identity=identity, keyed_by_body=provider.keyed_by_body)

    recorder = Recorder(lambda entry: house.log.append([entry])[0], lambda: NOON, "command line")
    return Rereader(house.engine, house.ids, house.api.sources, received, house.log, recorder)


def rows(house: House, sql: str) -> list[Any]:
    with house.engine.connect() as connection:
        return list(connection.exec_driver_sql(sql))


def test_a_body_that_can_be_read_now_becomes_a_new_event_of_its_stream(house):
    before = rows(house, "SELECT * FROM events WHERE position = 2")

    again = rereader(house).reread()

    assert (again.looked_at, again.read) == (2, {2: 4})
    (session,) = house.get("/v1/sessions")["data"]
    assert (session["state"], session["events"], session["position"]) == ("configured", 2, 4)
    assert rows(house, "SELECT * FROM events WHERE position = 2") == before
    assert rows(house, "SELECT received_at, verified_by FROM events WHERE position = 4") == [(NOON - 5, "env:SECRET")]


def test_a_body_that_is_erased_while_it_is_read_again_does_not_come_back(house):
    eraser = keeper(house.engine, house.code, house.log, lambda: NOON, "command line").eraser
    (scan,) = house.get("/v1/sessions")["data"]

    def erased() -> None:
        eraser.erase(eraser.of_streams([scan["id"]]), "asked for")

    again = rereader(house, erased).reread()

    assert again.read == {}
    assert rows(house, "SELECT position FROM payloads WHERE source = 'clinic' AND body IS NOT NULL") == [(3,)]


def test_it_is_told_in_the_log_which_event_was_read_again_as_which(house):
    rereader(house).reread()

    ((body,),) = rows(house, "SELECT body FROM payloads WHERE source = 'hookfold'")
    told = json.loads(bytes(body))
    assert (told["type"], told["source"], told["positions"]) == ("reread", "clinic", [[2, 4]])


def test_reading_again_twice_adds_nothing(house):
    rereader(house).reread()
    before = rows(house, "SELECT count(*) FROM events"), rows(house, "SELECT count(*) FROM deliveries")

    again = rereader(house).reread("clinic")

    assert again.read == {}
    assert (rows(house, "SELECT count(*) FROM events"), rows(house, "SELECT count(*) FROM deliveries")) == before


def test_the_same_body_sent_once_more_is_a_duplicate_of_what_was_read_again(house):
    rereader(house).reread()

    assert house.send("clinic", wms("scan", 1, "CONFIGURATION_LOADED")) == ("duplicate", 4)


def test_what_was_sent_again_and_read_by_the_newer_release_is_not_read_a_second_time(house):
    house.send("clinic", wms("scan", 1, "CONFIGURATION_LOADED"))

    assert rereader(house).reread().read == {}
