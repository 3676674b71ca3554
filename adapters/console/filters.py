"""Template filters: how values from API responses are written on a page."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
from flask import g
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from adapters.console.changes import describe_changes
from adapters.console.meanings import meanings
from adapters.console.numbers import counted, number
from core.ids import PREFIXES
from core.ordering.gaps import Gap

GOOD = frozenset("completed connected reconnected registered alive".split())
BAD = frozenset("failed abandoned canceled cancelled camera_denied denied lost disconnected rejected conflict".split())
BUSY = frozenset(
    "active recovering loaded configured camera_granted camera_on started created scanning analyzing redirecting "
    "acknowledged scheduled planning replaying building serving".split()
)

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z", re.ASCII)
_ADDRESS = re.compile(r'[^\s"@,;]+@[^\s",;]+')
_CLOCK = re.compile(r"(?:(?<=\bat )|(?<=\buntil ))\d\d:\d\d:\d\d\b", re.ASCII)
_USERS = frozenset({"user_id", "userId"})
_KINDS = {prefix: kind for kind, prefix in PREFIXES.items()}
_OURS = re.compile(rf"\b({'|'.join(_KINDS)})_[a-z2-7]{{26}}\b", re.ASCII)


def day_and_time(text: str) -> str:
    """`2026-11-21 20:48:00.25` of `2026-11-21T20:48:00.250000Z`, to the millisecond; the page says that it is UTC."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    fraction = fraction[:3].rstrip("0")
    return whole.replace("T", " ") + (f".{fraction}" if fraction else "")


def in_a_field(text: str) -> str:
    """Formats an instant for a form field, in UTC and full precision. Returns any other text unchanged."""
    return text.removesuffix("Z").replace("T", " ") if _INSTANT.fullmatch(text) else text


def pretty(value: Any) -> str:
    """A value from an API response as indented JSON. E-mail addresses and user ids are masked."""
    return json.dumps(_masked(msgspec.to_builtins(value)), indent=2, ensure_ascii=False)


def mask_emails(text: str) -> str:
    """Shortens every e-mail address in a text, unless the page shows full ids (`Asking.show_ids`)."""
    return text if g.get("whole") else _ADDRESS.sub(lambda found: _short(found[0]), text)


def mask_user(text: str) -> str:
    """Shortens a user id of any form, unless the page shows full ids."""
    return text if g.get("whole") else _short(text)


def in_words(why: Any) -> Markup:
    """Renders the sentence of a `…/why`. Each time is a `<time>` element, which the script converts to local time."""
    told = [at for step in why.chain for at in (step.occurred_at, step.received_at) if at is not None]
    told += [due["at"]] if (due := why.derived["deadline"]) else []
    known = {at[11:19]: at for at in told}

    def marked(found: re.Match[str]) -> str:
        at = known.get(found[0])
        return f'<time datetime="{at}">{found[0]}</time>' if at else f"{found[0]} UTC"

    return Markup(_CLOCK.sub(marked, escape(mask_emails(why.sentence))))  # noqa: S704 - what is not ours was escaped


@pass_context
def linked(page: Context, text: str) -> Markup:
    """Renders a text with each Hookfold id in it as a link to its page."""

    def link(found: re.Match[str]) -> str:
        return f'<a href="{escape(page["root"])}/{_KINDS[found[1]]}s/{found[0]}">{found[0]}</a>'

    return Markup(_OURS.sub(link, escape(text)))  # noqa: S704 - what is not ours was escaped


def state_class(state: str) -> str:
    """The CSS class of a state: `good`, `bad`, `busy` or empty. The page shows the word, too: color alone is no cue."""
    return "good" if state in GOOD else "bad" if state in BAD else "busy" if state in BUSY else ""


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


def missing(measurement: Any, most: int = 8) -> str:
    """Formats a measurement's missing sequence numbers: `7-9, 14 and 3 gaps more`. Empty if no number is known."""
    gaps = [str(Gap(one.first, one.last)) for one in measurement.missing]
    more = measurement.missing_older + len(gaps[most:])
    told = ", ".join(gaps[:most])
    return f"{told} and {counted(more, 'gap')} more" if told and more else told


def format_own_event(own: dict[str, Any]) -> str:
    """Formats the details of an event that Hookfold recorded itself: `by anna, stream ses_…`."""
    rest = [f"{name} {_in_a_row(value)}" for name, value in own.items() if name not in ("who", "through") and value]
    return mask_emails(", ".join([f"by {own.get('who')}", *rest]))


def _in_a_row(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(text: str) -> str:
    return f"{text[:2]}…" if len(text) > 2 else text


def _masked(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        return {mask_emails(name): _masked(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_masked(one, field) for one in value]
    if isinstance(value, str):
        return mask_user(value) if field in _USERS else mask_emails(value)
    return value


ALL: dict[str, Callable[..., Any]] = {
    "counted": counted,
    "day_and_time": day_and_time,
    "describe_changes": describe_changes,
    "format_own_event": format_own_event,
    "in_a_field": in_a_field,
    "in_words": in_words,
    "linked": linked,
    "mask_emails": mask_emails,
    "mask_user": mask_user,
    "meanings": meanings,
    "missing": missing,
    "number": number,
    "pretty": pretty,
    "span": span,
    "state_class": state_class,
}
