"""How answers of the API are written on a page."""

import json
from collections.abc import Callable
from typing import Any

import msgspec


def day_and_time(text: str) -> str:
    """`2026-11-21 20:48:00.25` of `2026-11-21T20:48:00.250000Z`; the page says that it is UTC."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction.rstrip("0")
    return whole.replace("T", " ") + (f".{fraction}" if fraction else "")


def pretty(value: Any) -> str:
    """Anything of an answer as JSON for people."""
    return json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False)


def span(seconds: float) -> str:
    """`3 min 5 s`; the two largest units, fractions only below a minute."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    left, parts = int(seconds), []
    for size, name in units:
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts[:2])


ALL: dict[str, Callable[..., str]] = {"day_and_time": day_and_time, "pretty": pretty, "span": span}
