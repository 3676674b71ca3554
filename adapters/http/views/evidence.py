"""`/v1/sessions/{id}/evidence` and `/v1/measurements/{id}/evidence`: evidence that outsiders can verify without the
service.
"""

from typing import IO, Any

from flask import Response, request
from werkzeug.wsgi import wrap_file

from adapters.config import Scope
from adapters.evidence import Evidence
from adapters.http.framework import queries
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Routes
from adapters.http.presenters.stream_resource import our_id

routes = Routes()


class _Once:
    """A file that closes itself at its end, because not every WSGI server closes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none after the end."""
        piece = b"" if self._file.closed else self._file.read(size)
        if not piece:
            self.close()
        return piece


ZIP = "application/zip"


@routes.one(Scope.RAW, "/v1/sessions/{id}/evidence", queries.Query, None, media=ZIP, unhurried=True)
def session_evidence(ask: Ask[queries.Query]) -> Response:
    """A session's events, proofs and trace in one zip, with a verifier. The log records who made it."""
    return _answer(ask, our_id("session", ask.path["id"]))


@routes.one(Scope.RAW, "/v1/measurements/{id}/evidence", queries.Query, None, media=ZIP, unhurried=True)
def measurement_evidence(ask: Ask[queries.Query]) -> Response:
    """The same for a measurement, with its whole session, whose order is part of the proof."""
    return _answer(ask, our_id("measurement", ask.path["id"]))


def _answer(ask: Ask[queries.Query], name: str) -> Response:
    api = ask.api
    if api.signer is None:
        raise NotFound("nothing signs this log")
    with api.waiting.slot():
        try:
            made = Evidence(api.reads, api.signer, api.sources, api.record).bundle(name, ask.who)
        except LookupError as error:
            raise NotFound(str(error)) from error
    headers: dict[str, Any] = {
        "Content-Disposition": f'attachment; filename="{made.name}"',
        "Content-Length": made.size,
    }
    content = wrap_file(request.environ, _Once(made.file))  # type: ignore[arg-type]  # it can be read and closed
    return Response(content, headers=headers, content_type=ZIP, direct_passthrough=True)
