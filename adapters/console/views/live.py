"""The event streams that update an open page: all events, or those of one resource."""

from flask import Blueprint, Response, request

from adapters.console.asking import Asking

FOLLOWED = {
    "session": "session_id",
    "measurement": "session_id",
    "action": "action_id",
    "device": "device_id",
    "registration": "registration_id",
}
"""The stream's filter for each kind of page."""


def add(pages: Blueprint, ask: Asking) -> None:
    """Registers the streams. The console's script requests them with the browser's session cookie."""

    def live() -> Response:
        return _stream(ask)

    def live_thing(kinds: str, id: str) -> Response:  # noqa: A002 - as the API calls it
        kind = kinds.removesuffix("s")
        found, field = ask.answer(kind, id=id), FOLLOWED[kind]
        return _stream(ask, source=found.source, **{field: getattr(found, field)})

    pages.add_url_rule("/live", "live", live)
    pages.add_url_rule(
        f"/<any({', '.join(f'{kind}s' for kind in FOLLOWED)}):kinds>/<id>/live", "live_thing", live_thing
    )


def _stream(ask: Asking, **wanted: str) -> Response:
    response: Response = ask.answer("stream", {"after": request.args.get("after", "0"), **wanted})
    return response
