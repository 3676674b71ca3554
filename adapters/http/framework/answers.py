"""Responses: JSON with an ETag that ignores time-dependent values, links to the next page, and security headers."""

from hashlib import sha256
from typing import Any

import msgspec
from flask import Request, Response
from werkzeug.http import parse_etags

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""The default headers of every response."""


def json_answer(content: Any, asked: Request, next_path: str | None = None, following: Any = None) -> Response:
    """The content as JSON, or 304 if the client has it already. `following` is the key of the next page.

    The ETag is weak: `derived` may differ between two responses that share it.
    """
    etag = sha256(msgspec.json.encode([_timeless(content), following])).hexdigest()[:32]
    headers = {"ETag": f'W/"{etag}"', "Cache-Control": "private, no-cache"}
    if next_path is not None:
        headers["Link"] = f'<{asked.script_root}{next_path}>; rel="next"'
    if parse_etags(asked.headers.get("If-None-Match")).contains_weak(etag):
        return Response(status=304, headers=headers)
    return Response(msgspec.json.encode(content), headers=headers, content_type="application/json")


def uncached(content: Any, status: int = 200) -> Response:
    """The content as JSON that must not be cached."""
    return Response(msgspec.json.encode(content), status, content_type="application/json")


def add_safe_headers(response: Response) -> Response:
    """Sets the default headers that the response lacks."""
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _timeless(content: Any) -> Any:
    """The content without what depends on the time of the request, such as a cursor that contains that time.

    The key of the next page is hashed besides: two equal pages may lead to different ones.
    """
    if isinstance(content, list):
        return [_timeless(item) for item in content]
    if hasattr(content, "next_cursor"):
        return [_timeless(getattr(content, name)) for name in content.__struct_fields__ if name != "next_cursor"]
    if hasattr(content, "derived"):
        return msgspec.structs.replace(content, derived={})
    return content
