"""The search by any id: Hookfold's, a provider's, a user's, or a position.

The form is a POST: an id may be an e-mail address, which must not be in a URL. Links of the result have a Hookfold id,
or an encrypted cursor.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request
from werkzeug.wrappers import Response as Redirect

from adapters.console import spellings
from adapters.console.asking import Asking, go
from adapters.http import NotFound, Problem

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
"""The lists in which a provider's id is searched, each with the filter."""

_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)


class Ours(NamedTuple):
    """A complete Hookfold id."""

    id: str


class Found(NamedTuple):
    """The rows that a list's filter found. `cursor` opens the list with that filter."""

    place: str
    field: str
    wanted: str
    rows: list[Any]
    cursor: str


class Hits(NamedTuple):
    """The result: rows by provider's ids, an event by its position, Hookfold ids with this beginning.

    `more`: there are further ones of these ids.
    """

    found: list[Found]
    event: Any = None
    begun: Sequence[Any] = ()
    more: bool = False

    def links(self) -> list[str]:
        """The paths of the pages of all results."""
        links = [f"/{one.place}/{row.id}" for one in self.found for row in one.rows]
        links += [f"/events/{self.event.position}"] if self.event else []
        return list(dict.fromkeys([*links, *(f"/{PLACES[one.id[:3]]}/{one.id}" for one in self.begun)]))


def add(pages: Blueprint, ask: Asking) -> None:
    """Registers the search. A request without an id, such as the GET after a sign-in, is redirected to `/`."""

    def search() -> Redirect | Response:
        typed = request.form.get("id", "")
        if not typed.strip():
            return go("/")
        hits = _hits(ask, typed)
        links = hits.links()
        if len(links) == 1:
            return go(links[0])
        page = render_template(
            "console/search.html",
            wanted=typed.strip(),
            hits=hits,
            places=PLACES,
            rejected=0 if links else sum(one.count for one in ask.answer("rejection_summary").data),
        )
        return Response(page, 200 if links else 404, content_type="text/html; charset=utf-8")

    pages.add_url_rule("/search", "search", search, methods=["GET", "POST"])


def _hits(ask: Asking, typed: str) -> Hits:
    if (one := spellings.ours(typed)) and (hits := _ours(ask, one)).begun:
        return hits
    for step in spellings.steps(typed):
        found = [one for wanted in step for one in _found(ask, wanted)]
        event = _event(ask, step[0])
        if found or event:
            return Hits(found, event)
    return Hits([])


def _ours(ask: Asking, one: str) -> Hits:
    """Looks up a complete id as its page does: the list of ids is empty while this release has folded nothing yet."""
    if spellings.is_whole(one) and _is_there(ask, one):
        return Hits([], begun=[Ours(one)])
    told = ask.answer("ids", beginning=one)
    return Hits([], begun=told.data, more=told.next_cursor is not None)


def _is_there(ask: Asking, one: str) -> bool:
    try:
        ask.answer(PLACES[one[:3]].removesuffix("s"), id=one)
    except NotFound:
        return False
    except Problem:  # its page tells of it
        return True
    return True


def _found(ask: Asking, wanted: str) -> list[Found]:
    found = []
    for place, field in LOOKED:
        rows = ask.answer(place, {field: wanted}).data
        if rows:
            found.append(Found(place, field, wanted, rows, ask.questions.opening(place, {field: wanted})))
    return found


def _event(ask: Asking, wanted: str) -> Any:
    if not _POSITION.fullmatch(wanted):
        return None
    try:
        return ask.answer("event", position=wanted)
    except NotFound:
        return None
