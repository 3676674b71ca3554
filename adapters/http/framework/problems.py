"""Errors as problem documents (RFC 9457).

Problem
    ├── BadRequest    400  client: a parameter, header or field is wrong; the problem names it
    ├── Unauthorized  401  client: no token, or an unknown one; `WWW-Authenticate` says which
    ├── Forbidden     403  client: the token lacks the scope
    ├── Limited       403  client: the token is limited to some sources, and the resource covers all
    ├── CrossSite     403  client: a page of another site sent the request
    ├── NotFound      404  client: the resource does not exist
    ├── Conflict      409  client: the request conflicts with the present state
    ├── Gone          410  nobody: the resource was erased
    ├── TooLarge      413  client: the body is too large
    ├── NotJson       415  client: the body is not JSON
    └── Busy          503  server: the database is away, or too many requests wait; see `Retry-After`
        └── Behind         server: the requested position was not reached in time

Flask's own errors (404, 405, …) have the same shape. An unexpected exception is a 500 that does not reveal its cause.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar

import msgspec
from flask import Response

from adapters.http.ingest.door import Answer

_MEDIA_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A problem. `parameter` names the parameter, header or field at fault, if there is one."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """An error response. `detail` is sent to the client."""

    status: ClassVar[HTTPStatus]
    kind: ClassVar[str]

    def __init_subclass__(cls, *, status: HTTPStatus | None = None, kind: str | None = None) -> None:
        """`status` and `kind`: those of the base unless given."""
        cls.status, cls.kind = status or cls.status, kind or cls.kind

    def __init__(self, detail: str, *, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.parameter = parameter

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Further header fields of the response."""
        return []

    def response(self) -> Response:
        """The problem as a response."""
        return problem_response(self.status, self.kind, self.detail, self.parameter, self.headers)


class BadRequest(Problem, status=HTTPStatus.BAD_REQUEST, kind="parameter"):
    """The request is malformed."""


class Unauthorized(Problem, status=HTTPStatus.UNAUTHORIZED, kind="unauthorized"):
    """No valid token. `error` is a code of RFC 6750, 3.1; None if no token was sent."""

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        super().__init__(detail)
        self._error = error

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [_challenge(error=self._error)]


class Forbidden(Problem, status=HTTPStatus.FORBIDDEN, kind="forbidden"):
    """The token lacks the required scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"this token has not the scope {scope}")
        self._scope = scope

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [_challenge(error="insufficient_scope", scope=self._scope)]


class Limited(Problem, status=HTTPStatus.FORBIDDEN, kind="forbidden"):
    """The token is limited to some sources, but the resource covers the whole log."""

    def __init__(self, sources: Iterable[str]) -> None:
        super().__init__(f"this is of the whole log: the token is limited to {', '.join(sources)}")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [_challenge(error="insufficient_scope")]


class CrossSite(Problem, status=HTTPStatus.FORBIDDEN, kind="forbidden"):
    """A browser sends the request for a page of another site."""


class NotFound(Problem, status=HTTPStatus.NOT_FOUND, kind="not-found"):
    """The resource does not exist."""


class Conflict(Problem, status=HTTPStatus.CONFLICT, kind="conflict"):
    """The request conflicts with the present state."""


class Gone(Problem, status=HTTPStatus.GONE, kind="gone"):
    """The resource was erased."""


class TooLarge(Problem, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, kind="too-large"):
    """The body is too large."""


class NotJson(Problem, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, kind="not-json"):
    """The body is not JSON."""


class Busy(Problem, status=HTTPStatus.SERVICE_UNAVAILABLE, kind="busy"):
    """The service cannot answer now. The client should retry."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Retry-After", "1")]


class Behind(Busy):
    """The database that was queried has not reached the requested position."""


def _challenge(**told: str | None) -> tuple[str, str]:
    """The challenge of RFC 6750, 3."""
    parts = [f'{name}="{text}"' for name, text in (("realm", "hookfold"), *told.items()) if text is not None]
    return "WWW-Authenticate", f"Bearer {', '.join(parts)}"


def problem_response(
    status: HTTPStatus,
    kind: str,
    detail: str,
    parameter: str | None = None,
    headers: list[tuple[str, str]] | None = None,
) -> Response:
    """A problem response. `type` links to the page that explains this kind of problem."""
    return Response(_document(status, kind, detail, parameter), status.value, headers, content_type=_MEDIA_TYPE)


def problem_answer(status: int, detail: str) -> Answer:
    """A problem as an answer of the server, without the application."""
    found = HTTPStatus(status)
    kind = "fault" if found is HTTPStatus.INTERNAL_SERVER_ERROR else "other"
    return Answer(status, [("content-type", _MEDIA_TYPE)], _document(found, kind, detail))


def _document(status: HTTPStatus, kind: str, detail: str, parameter: str | None = None) -> bytes:
    return msgspec.json.encode(
        ProblemDocument(
            type=f"/docs#problem-{kind}",
            title=status.phrase,
            status=status.value,
            detail=detail,
            parameter=msgspec.UNSET if parameter is None else parameter,
        )
    )
