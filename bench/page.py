"""Puts the figures of `results.json` into `docs/performance.md`: `python -m bench.page`."""

import json
from pathlib import Path
from typing import Any

from bench.results import number

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: python -m bench.page -->", "<!-- end of figures -->"

_HEAD = ("what", "value", "spread", "p50 / p99 ms", "against", "ratio", "wanted")


def page(before: str, results: list[dict[str, Any]]) -> str:
    """The page with the figures between its two marks; the rest is as it was."""
    head, _, rest = before.partition(BEGIN)
    return "\n".join([head + BEGIN, *(_group(group) for group in results), END]) + rest.partition(END)[2]


def _group(group: dict[str, Any]) -> str:
    around = "; ".join(f"{name}: {value}" for name, value in group["surroundings"].items())
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(figure) for figure in group["figures"])]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    notes = [f"- {figure['name']}: {figure['note']}" for figure in group["figures"] if "note" in figure]
    return "\n".join(
        [f"\n### {group['benchmark']}\n", *lines, "", *notes, f"\n{around}.\n" if notes else f"{around}.\n"]
    )


def _row(figure: dict[str, Any]) -> tuple[str, ...]:
    wanted = ""
    if "wanted" in figure:
        wanted = f"{number(figure['wanted'])}: {'reached' if figure['reached'] else '**not reached**'}"
    return (
        figure["name"].partition(" ")[2],
        f"{number(figure['value'])} {figure['unit']}",
        f"{number(figure['low'])}-{number(figure['high'])}" if "low" in figure else "",
        f"{number(figure['p50'])} / {number(figure['p99'])}" if "p50" in figure else "",
        f"{figure['reference']}: {number(figure['reference_value'])}" if "reference" in figure else "",
        number(figure.get("ratio")),
        wanted,
    )


def write() -> None:
    """Makes the page say what the results say."""
    PAGE.write_text(page(PAGE.read_text(), json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    write()
