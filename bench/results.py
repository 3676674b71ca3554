"""What was measured, as a table for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value and what it was held against in the same run.

    `value`, `low` and `high` are median, least and most of the rounds. `reference` names what was measured beside it,
    `ratio` is the median of the rounds' ratios to it. `wanted` is the ratio (or, without a reference, the value) that
    shall be reached: at least for rates, at most where `less` is better. `note` says what makes the figure void or odd.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    p50: float | None = None
    p99: float | None = None
    reference: str | None = None
    reference_value: float | None = None
    ratio: float | None = None
    wanted: float | None = None
    less: bool = False
    note: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        """Whether what is wanted was reached; None where nothing is."""
        if self.wanted is None:
            return None
        measured = self.value if self.ratio is None else self.ratio
        return measured <= self.wanted if self.less else measured >= self.wanted


def rate(name: str, values: Sequence[float], unit: str, **more: Any) -> Figure:
    """A figure out of the values of all rounds."""
    return Figure(name=name, value=median(values), low=min(values), high=max(values), unit=unit, **more)


_HEAD = ("what", "value", "unit", "spread", "p50 ms", "p99 ms", "against", "ratio", "wanted", "")


def table(title: str, figures: Sequence[Figure]) -> str:
    """The figures of one benchmark in columns."""
    rows = [_HEAD, *(_row(figure) for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"  {figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([f"\n== {title} ==", lines[0], "-" * len(lines[0]), *lines[1:], *notes])


def _row(figure: Figure) -> tuple[str, ...]:
    wanted = "" if figure.wanted is None else f"{'<=' if figure.less else '>='} {number(figure.wanted)}"
    against = "" if figure.reference is None else f"{figure.reference} {number(figure.reference_value)}".strip()
    spread = f"{number(figure.low)}-{number(figure.high)}" if figure.low is not None else ""
    verdict = {None: "", True: "reached", False: "NOT REACHED"}[figure.reached]
    times = (number(figure.p50), number(figure.p99))
    return (
        figure.name,
        number(figure.value),
        figure.unit,
        spread,
        *times,
        against,
        number(figure.ratio),
        wanted,
        verdict,
    )


def number(value: float | None) -> str:
    """Three digits that count; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(path: Path, surroundings: dict[str, str], figures: Sequence[Figure]) -> None:
    """Puts the figures into the file; those of other benchmarks stay, with the surroundings of their run."""
    ran = {figure.name.partition(" ")[0] for figure in figures}
    before = json.loads(path.read_text()) if path.exists() else []
    kept = [group for group in before if group["benchmark"] not in ran]
    groups = [
        {
            "benchmark": name,
            "surroundings": surroundings,
            "figures": [_plain(figure) for figure in figures if figure.name.partition(" ")[0] == name],
        }
        for name in sorted(ran)
    ]
    together = sorted([*kept, *groups], key=lambda group: str(group["benchmark"]))
    path.write_text(json.dumps(together, indent=1) + "\n")


def _plain(figure: Figure) -> dict[str, Any]:
    """Numbers with four digits that count: more would be noise in a file that is kept."""
    plain = {name: _rounded(value) for name, value in asdict(figure).items() if value not in (None, "", {})}
    plain.pop("less")
    return plain | ({} if figure.reached is None else {"reached": figure.reached})


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
