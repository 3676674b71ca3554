"""Every benchmark, made so small that it measures nothing: it runs, it verifies, it has its references."""

from dataclasses import replace
from typing import Any

import pytest

from bench.audit import audit
from bench.command import DATABASES, Place
from bench.conditions import conditions
from bench.console import console
from bench.followers import followers
from bench.forward import forward
from bench.ingest import ingest
from bench.long import long
from bench.query import query
from bench.replay import replay
from bench.results import Figure
from bench.scale import TINY
from bench.services import services
from bench.storage import storage


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Place:
    """One for all: what one benchmark fills, others ask."""
    return Place(tmp_path_factory.mktemp("bench"), postgres, TINY)


def test_ingest_looks_up_every_event_that_was_acknowledged(place):
    figures = ingest(replace(place, databases=["sqlite"]))

    (found,) = (figure.note for figure in figures if figure.name.endswith("looked up"))
    assert "exactly once" in found


def test_services_beside_each_other_are_looked_up(place, monkeypatch):
    monkeypatch.setattr("bench.services.TOGETHER", (1, 2))

    *together, found, of_other = services(place)

    assert [figure.settings["services"] for figure in together] == [1, 2, 2]
    assert all("without a gap" in figure.note for figure in (found, of_other))


def test_each_of_many_followers_is_told_every_event_once(place):
    waited, sent = followers(replace(place, databases=["sqlite"]))

    assert "once and in order" in waited.note
    assert sent.reference == "without them"


def test_what_is_in_front_of_a_handler_is_held_against_the_handler(place, monkeypatch):
    monkeypatch.setattr("bench.forward.HANGS", 0.2)

    figures = forward(replace(place, databases=["sqlite"]))

    assert [figure.unit for figure in figures] == ["ms"] * 3
    assert [figure.reference for figure in figures] == ["the handler", "the handler", "without them"]


def test_append_is_held_against_the_library_doing_the_same_work(place):
    pytest.importorskip("eventsourcing", reason="installed by `make bench` only")
    from bench.append import append

    figures = append(place)

    assert {figure.reference for figure in figures} == {"eventsourcing, aggregates", "eventsourcing, event store"}


def test_foul_weather_is_held_against_fair_weather(place):
    figures = conditions(replace(place, databases=["postgresql"]))

    assert {figure.settings["database"] for figure in figures} == {"postgresql"}
    assert {figure.reference for figure in figures} == {"plain"}


def test_storage_and_replay_measure_one_log_on_both_databases(place):
    figures = [*storage(place), *replay(place)]

    assert {figure.settings["database"] for figure in figures} == {"sqlite", "postgresql"}
    assert all(figure.ratio and figure.reference for figure in figures)
    assert {place.filled[kind, 640].events for kind in DATABASES} == {640}


def test_what_the_tree_costs_is_told_of_its_bytes_its_proofs_and_the_ingest_beside_it(place):
    figures = audit(replace(place, databases=["sqlite"]))

    assert {figure.unit for figure in figures} == {"events/s", "bytes/event", "ms", "requests/s"}
    assert [figure.reference for figure in figures if figure.ratio] == ["never seals"]


def test_what_is_asked_of_a_small_log_is_asked_of_a_large_one_that_begins_with_it(place):
    figures = query(replace(place, databases=["postgresql"]))

    assert {figure.reference for figure in figures} == {"640 events"}
    assert [place.filled["postgresql", events].events for events in (640, 1_600)] == [640, 1_600]


def test_every_page_of_the_console_is_measured(place):
    figures = console(replace(place, databases=("sqlite",)))

    assert {figure.unit for figure in figures} == {"ms", "kB"}
    assert [figure.name for figure in figures if figure.unit == "kB" and not figure.reached] == []


def test_a_long_stream_is_held_against_a_short_one_and_others_against_themselves(place):
    figures = long(replace(place, databases=["sqlite"]))

    references = [figure.reference for figure in figures]
    assert references == [*["to 100 events"] * 2, *["of 100 events"] * 7, "p50 of others", "without"]


def test_a_ratio_decides_what_is_reached_and_a_value_where_there_is_none():
    faster = Figure(name="a", value=10, unit="/s", reference="b", reference_value=20, ratio=0.5, wanted=0.6)
    shorter = Figure(name="a", value=20, unit="ms", wanted=25, less=True)

    assert faster.reached is False
    assert shorter.reached is True
