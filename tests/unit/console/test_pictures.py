"""Where things stand in the pictures, and how numbers are written."""

from types import SimpleNamespace
from typing import Any

import pytest

from adapters.console import pictures
from adapters.console.filters import day_and_time, span


def region(*states: str, **rows: tuple[list[str], str]) -> Any:
    transitions = [SimpleNamespace(trigger=name, from_=start, to=to) for name, (start, to) in rows.items()]
    return SimpleNamespace(name="region", states=list(states), initial=states[0], transitions=transitions)


def chunk(number: int | None, snr: float | None, position: int = 1) -> Any:
    return SimpleNamespace(sequence=number, snr=snr, position=position)


def test_states_stand_in_a_column_and_steps_forward_are_drawn_on_the_right_steps_back_on_the_left():
    drawn = pictures.diagram(region("a", "b", "c", on=(["a"], "c"), back=(["c"], "a"), next=(["a"], "b")))

    assert len({box.x for box in drawn.boxes}) == 1
    assert [box.y for box in drawn.boxes] == sorted(box.y for box in drawn.boxes)
    ends = {arc.words: float(arc.path.split()[1]) for arc in drawn.arcs}
    left, middle, right = ends["c → a: back"], ends["a → b: next"], ends["a → c: on"]
    assert left < middle < right


def test_a_rule_from_many_states_is_drawn_only_where_it_was_taken():
    many = region("a", "b", "c", "d", "e", "f", lost=(["a", "b", "c", "d", "e"], "f"))

    assert pictures.diagram(many).arcs == []
    assert [arc.words for arc in pictures.diagram(many, [("b", "f")], "f").arcs] == ["b → f: lost"]


def test_a_step_that_no_row_lists_is_drawn_where_it_was_taken():
    (arc,) = pictures.diagram(region("a", "b"), [("b", "a")], "a").arcs

    assert (arc.words, arc.look) == ("b → a", "arc taken")


def test_a_line_of_the_signal_breaks_where_a_chunk_is_missing():
    plot = pictures.signal([chunk(2, 3.0), chunk(0, 1.0), chunk(1, -2.0), chunk(5, 4.0), chunk(6, None)])

    assert plot is not None
    assert [point.words for point in plot.points][-1] == "chunk 5: 4 dB"
    assert [len(line.split()) for line in plot.lines] == [3]
    assert all(0 <= point.x <= plot.width and 0 <= point.y <= plot.height for point in plot.points)


def test_what_is_missing_between_chunks_is_a_band_that_says_so():
    plot = pictures.signal([chunk(0, 1.0), chunk(2, 3.0), chunk(3, None), chunk(4, 2.0), chunk(5, None), chunk(9, 4.0)])

    assert plot is not None
    assert [hole.words for hole in plot.holes] == [
        "Chunk 1 has not come",
        "Chunk 3 told no signal",
        "Chunks 5-8 told no signal, or never came",
    ]
    for hole, left, right in zip(plot.holes, plot.points, plot.points[1:], strict=False):
        assert left.x < hole.x < hole.x + hole.width < right.x
    assert plot.lines == []
    assert plot.words.endswith("Chunk 3 told no signal; Chunks 5-8 told no signal, or never came.")


def test_of_many_bands_the_first_are_told_in_words():
    plot = pictures.signal([chunk(number, 1.0) for number in range(0, 40, 2)])

    assert plot is not None
    assert len(plot.holes) == 19
    assert plot.lacks.endswith("Chunk 9 has not come; and 14 bands more")


def test_a_failure_that_stands_for_a_value_stretches_no_scale_and_breaks_the_line():
    plot = pictures.signal([chunk(0, 1.0), chunk(1, 3.0), chunk(2, -100.0), chunk(3, 2.0), chunk(4, 4.0)])

    assert plot is not None
    assert [tick.text for tick in plot.up] == ["0", "2", "4"]
    assert [point.look for point in plot.points] == ["", "", "failed", "", ""]
    assert plot.points[2].words == "chunk 2: a failure (-100)"
    assert [len(line.split()) for line in plot.lines] == [2, 2]
    assert plot.words.endswith("from 1 to 4. 1 chunk reports a failure.")


def test_of_failures_alone_there_is_a_plot_as_well():
    plot = pictures.signal([chunk(0, -100.0), chunk(1, -91.0)])

    assert plot is not None
    assert plot.lines == []
    assert "2 chunks report a failure" in plot.words


def test_the_axes_are_named_with_their_unit():
    plot = pictures.signal([chunk(0, 1.0), chunk(1, 3.0)])

    assert plot is not None
    assert (plot.of, plot.along, plot.holes) == ("SNR in dB", "chunk", [])


@pytest.mark.parametrize("chunks", [[], [chunk(1, None)]])
def test_without_a_signal_there_is_no_plot(chunks: list[Any]):
    assert pictures.signal(chunks) is None


@pytest.mark.parametrize("snr", [0.0, 1e300, -1e300, 5e-324])
def test_one_chunk_is_a_point_whatever_it_tells(snr: float):
    plot = pictures.signal([chunk(None, snr)])

    assert plot is not None
    assert len(plot.points) == 1
    assert 0 <= plot.points[0].y <= plot.height


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (54.5544, "54.6 s"), (59.99, "60 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_a_time_span_has_its_two_largest_units(seconds: float, words: str):
    assert span(seconds) == words


def test_an_instant_is_written_for_people():
    assert day_and_time("2026-11-21T20:48:00.250000Z") == "2026-11-21 20:48:00.25"
    assert day_and_time("2026-11-21T20:48:00.000000Z") == "2026-11-21 20:48:00"
