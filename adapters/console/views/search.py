"""One box for any id: ours, a provider's, a user's, a position.

It is sent as a form's body: an id may be an e-mail address, and no URL that we make holds one. What leads on is our id,
or a cursor, which is sealed.
"""

import re
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as Redirect

from adapters.console.asking import Asking, go
from adapters.http import NotFound

PLACES = {"ses": "sessions", "mea": "measurements", "act": "actions", "dev": "devices", "reg": "registrations"}
LOOKED = (
    ("sessions", "session_id"),
    ("sessions", "user_id"),
    ("measurements", "measurement_id"),
    ("actions", "action_id"),
    ("devices", "device_id"),
    ("registrations", "registration_id"),
    ("registrations", "user_id"),
)
"""The lists in which a provider's id is looked for, and by which filter."""

_OURS = re.compile(r"(ses|mea|act|dev|reg)_[a-z2-7]{26}", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)


class Found(NamedTuple):
    """What a filter of a list found. `cursor` leads to the list with that filter."""

    place: str
    field: str
    rows: list[Any]
    cursor: str


def add(pages: Blueprint, ask: Asking) -> None:
    """Adds the search."""

    def search() -> Redirect | Response:
        wanted = request.form.get("id", "").strip()
        if not wanted:
            return go("/")
        if ours := _OURS.fullmatch(wanted):
            return go(f"/{PLACES[ours[1]]}/{wanted}")
        found, event = _found(ask, wanted), _event(ask, wanted)
        hits = [f"/{one.place}/{row.id}" for one in found for row in one.rows]
        hits += [f"/events/{event.position}"] if event else []
        if len(hits) == 1:
            return go(hits[0])
        page = render_template("console/search.html", wanted=wanted, found=found, event=event)
        return Response(page, 200 if hits else 404, content_type="text/html; charset=utf-8")

    pages.add_url_rule("/search", "search", search, methods=["POST"])


def _found(ask: Asking, wanted: str) -> list[Found]:
    found = []
    for place, field in LOOKED:
        rows = ask.answer(place, {field: wanted}).data
        if rows:
            found.append(Found(place, field, rows, ask.questions.opening(place, {field: wanted})))
    return found


def _event(ask: Asking, wanted: str) -> Any:
    if not _POSITION.fullmatch(wanted):
        return None
    try:
        return ask.answer("event", position=wanted)
    except NotFound:
        return None
