"""One event: what the log has of it, and its body as text, once somebody asks for that."""

from typing import Any

from flask import Blueprint, Response, render_template

from adapters.console.asking import Asking

MOST = 65_536
"""Bytes of a body that are shown; all of them are downloaded from the API."""


def add(pages: Blueprint, ask: Asking) -> None:
    """Adds the page, and the form that shows the body: reading it is recorded in the log."""

    def event(position: int) -> str:
        return _page(ask, position)

    def ids(position: int) -> str:
        ask.show_ids(ask.answer("event", position=str(position)).stream or f"event {position}")
        return _page(ask, position)

    def body(position: int) -> str:
        raw: Response = ask.answer("event_body", position=str(position))
        sent = raw.get_data()
        shown = sent[:MOST].decode("utf-8", "replace")
        return _page(ask, position, body=shown, size=len(sent), cut=len(sent) > MOST)

    pages.add_url_rule("/events/<int:position>", "event", event)
    pages.add_url_rule("/events/<int:position>/ids", "event_ids", ids, methods=["POST"])
    pages.add_url_rule("/events/<int:position>/body", "event_body", body, methods=["POST"])


def _page(ask: Asking, position: int, **body: Any) -> str:
    found = ask.answer("event", position=str(position))
    erasure = _erasure(ask, found.erased) if found.erased else None
    return render_template("console/event.html", event=found, stream=_place(found.stream), erasure=erasure, **body)


def _erasure(ask: Asking, position: int) -> Any:
    """The event that tells of the erasure; None for who may not see it."""
    return ask.answer_or_why_not("event", {}, position=str(position))[0]


def _place(stream: str | None) -> str | None:
    """The page of the stream that an event belongs to."""
    places = {"ses": "sessions", "act": "actions", "dev": "devices", "reg": "registrations"}
    return f"/{places[stream.partition('_')[0]]}/{stream}" if stream else None
