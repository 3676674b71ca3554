"""The pages of one session, measurement, action, device or registration: state, history, and past states."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, Response, render_template, request

from adapters.console import lanes, pictures
from adapters.console.asking import Asking, sent
from adapters.console.times import CLOCKS, Fault, faults_of
from adapters.console.views.live import FOLLOWED
from adapters.console.views.report import steps_of
from adapters.http import NotFound

STEPS = "50"
"""Entries of a timeline on one page."""

LESSONS = "20"
"""The most events since a past time of which the page lists the changes."""

Extras = Callable[[Asking, Any, dict[str, str]], dict[str, Any]]
"""Returns the template variables that only the pages of one kind have."""

_EXPLAINED = ("session", "measurement", "action")
_WITH_EVIDENCE = ("session", "measurement")


def add(pages: Blueprint, ask: Asking) -> None:
    """Registers the pages of every kind and their downloads."""
    for kind, extras in _EXTRAS.items():
        _add(pages, ask, kind, extras)


def _add(pages: Blueprint, ask: Asking, kind: str, extras: Extras) -> None:
    def thing(id: str) -> str | tuple[str, int]:  # noqa: A002 - as the API calls it
        with ask.questions.sharing():
            return _page(ask, kind, extras, id)

    def ids(id: str) -> str | tuple[str, int]:  # noqa: A002 - as the API calls it
        ask.show_ids(ask.answer(kind, id=id).id)
        return _page(ask, kind, extras, id)

    def evidence(id: str) -> Response:  # noqa: A002 - as the API calls it
        bundle: Response = ask.answer(f"{kind}_evidence", id=id)
        return bundle

    pages.add_url_rule(f"/{kind}s/<id>", kind, thing)
    pages.add_url_rule(f"/{kind}s/<id>/ids", f"{kind}_ids", ids, methods=["POST"])
    if kind in _WITH_EVIDENCE:
        pages.add_url_rule(f"/{kind}s/<id>/evidence", f"{kind}_evidence", evidence, methods=["POST"])


def _page(ask: Asking, kind: str, extras: Extras, name: str) -> str | tuple[str, int]:
    asked = sent(lambda: _day(ask, kind, name))
    clocks = {one: asked[one] for one in CLOCKS if one in asked}
    if faults := faults_of(clocks, ask.now()):
        return _unshown(kind, ask.answer(kind, id=name), clocks, faults), 400
    head = ask.questions.head()
    try:
        found = ask.answer(kind, clocks, id=name)
    except NotFound:
        if not clocks:
            raise
        now = ask.answer(kind, id=name)
        return _unshown(kind, now, clocks, _unheard(ask, kind, now, clocks)), 404
    shown: dict[str, Any] = {"kind": kind, "thing": found, "clocks": clocks, "live": _live(kind, found, clocks, head)}
    shown["day"] = _last_at(found)
    shown |= extras(ask, found, clocks)
    if kind in _EXPLAINED:
        shown |= _explained(ask, kind, found, clocks)
    return render_template(f"console/{kind}.html", **shown)


def _unshown(kind: str, now: Any, clocks: dict[str, str], faults: dict[str, Fault]) -> str:
    """Renders the page's header only, with each error next to its field.

    The present state is omitted: it could be mistaken for the state at the requested time.
    """
    shown = {"kind": kind, "thing": now, "clocks": clocks, "faults": faults, "day": _last_at(now)}
    return render_template(f"console/{kind}.html", **shown)


def _day(ask: Asking, kind: str, name: str) -> str:
    """The date for a time without a date: the date of the last event, or today."""
    return str(_last_at(ask.answer(kind, id=name)) or ask.today())[:10]


def _last_at(found: Any) -> str | None:
    at: str | None = found.ended_at or found.started_at if hasattr(found, "ended_at") else found.last_at
    return at


def _unheard(ask: Asking, kind: str, now: Any, clocks: dict[str, str]) -> dict[str, Fault]:
    """Explains why nothing is found at the requested time, by the times of the first event."""
    recorded, occurred = _first(ask, kind, now)
    if recorded is not None and clocks.get("known_at", recorded) < recorded:
        return {"known_at": Fault("unheard", recorded)}
    if occurred is not None and clocks.get("as_of", occurred) < occurred:
        return {"as_of": Fault("not happened", occurred)}
    return {next(name for name in CLOCKS if name in clocks): Fault("nothing")}


def _first(ask: Asking, kind: str, now: Any) -> tuple[str | None, str | None]:
    """The earliest `recorded_at` and the earliest `occurred_at`, each None if unknown."""
    if kind == "measurement":
        timeline, _ = ask.answer_or_why_not("measurement_timeline", {"limit": "100", "format": "json"}, id=now.id)
        instants = _of(timeline.data if timeline else ())
        return next(iter(instants["known_at"]), None), next(iter(instants["as_of"]), None)
    name = getattr(now, FOLLOWED[kind])
    events = ask.answer("events", {"source": now.source, FOLLOWED[kind]: name, "limit": "1"}).data if name else ()
    return next((one.recorded_at for one in events), None), now.first_at


def _live(kind: str, found: Any, clocks: dict[str, str], head: int) -> str | None:
    """The path of the page's event stream.

    None if the page is not updated: it shows a past state, a later page of the timeline, unmasked ids or erased data.
    `head` is the log's last position before the state was read: `found.position` may be that of the first event.
    """
    if clocks or "cursor" in request.args or request.method != "GET" or not getattr(found, FOLLOWED[kind]):
        return None
    return f"/{kind}s/{found.id}/live?after={head}"


def _explained(ask: Asking, kind: str, found: Any, clocks: dict[str, str]) -> dict[str, Any]:
    why, no_why = ask.answer_or_why_not(f"{kind}_why", clocks, id=found.id)
    timeline, no_timeline = ask.answer_or_why_not(f"{kind}_timeline", _part(clocks), id=found.id)
    learnt, no_learnt = None, None
    if "known_at" in clocks:
        learnt, no_learnt = ask.answer_or_why_not(f"{kind}_compare", {**clocks, "limit": LESSONS}, id=found.id)
    steps = timeline.data if timeline else []
    now = _now(ask, kind, found.id) if clocks else steps
    region = _main(ask.answer("machine", name=found.machine.name))
    return {
        "why": why,
        "no_why": no_why,
        "steps": steps,
        "no_timeline": no_timeline,
        "following": timeline and timeline.next_cursor,
        "instants": _of(now),
        "since": _since(now, steps) if "known_at" not in clocks else (),
        "learnt": learnt,
        "no_learnt": no_learnt,
        "lanes": lanes.lanes(steps),
        "diagram": pictures.diagram(region, _taken(why.chain if why else (), region.name), found.state),
    }


def _now(ask: Asking, kind: str, name: str) -> Sequence[Any]:
    """The first page of the present timeline, for the time slider."""
    timeline, _ = ask.answer_or_why_not(f"{kind}_timeline", {"limit": STEPS, "format": "json"}, id=name)
    return timeline.data if timeline else ()


def _since(now: Sequence[Any], then: Sequence[Any]) -> Sequence[Any]:
    """The events on the first page `now` that are not on the first page `then`. Empty on later pages."""
    known = {one.position for one in then}
    return (
        () if "cursor" in request.args else [one for one in now if one.entry == "event" and one.position not in known]
    )


def _of(steps: Sequence[Any]) -> dict[str, list[str]]:
    clocks = {"as_of": "occurred_at", "known_at": "recorded_at"}
    return {clock: sorted({at for step in steps if (at := getattr(step, field))}) for clock, field in clocks.items()}


def _part(clocks: dict[str, str]) -> dict[str, str]:
    """The query parameters of the timeline. A cursor replaces all others."""
    if cursor := request.args.get("cursor"):
        return {"cursor": cursor}
    return {**clocks, "limit": STEPS, "format": "json"}


def _main(machine: Any) -> Any:
    return machine.regions[0] if machine.regions else machine


def _taken(chain: Sequence[Any], region: str) -> list[pictures.Move]:
    """The moves of the main region; a machine without regions has one state, under no name of its own."""
    moves = [
        (step.before.get(region, step.before.get("state")), step.after.get(region, step.after.get("state")))
        for step in chain
    ]
    return [(before, after) for before, after in moves if before and after and before != after]


def _session(ask: Asking, found: Any, clocks: dict[str, str]) -> dict[str, Any]:
    if not found.regions or found.session_id is None:
        return {"measurements": []}
    of_session = {"source": found.source, "session_id": found.session_id, **clocks}
    return {"measurements": ask.answer("measurements", of_session).data}


def _measurement(_: Asking, found: Any, __: dict[str, str]) -> dict[str, Any]:
    return {"signal": pictures.signal(found.snr), "steps_taken": steps_of(found.steps)}


def _device(ask: Asking, found: Any, clocks: dict[str, str]) -> dict[str, Any]:
    actions = ask.answer("device_actions", clocks, id=found.id)
    return {"rows": actions.data, "more": actions.next_cursor is not None}


def _nothing(_: Asking, __: Any, ___: dict[str, str]) -> dict[str, Any]:
    return {}


_EXTRAS: dict[str, Extras] = {
    "session": _session,
    "measurement": _measurement,
    "action": _nothing,
    "device": _device,
    "registration": _nothing,
}
