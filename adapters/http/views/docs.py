"""`/docs`: the OpenAPI document as a page for people, without third-party resources. A script sends the requests that
are tried.
"""

import json
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from flask import Flask, Response, render_template
from markupsafe import Markup, escape

from adapters.http.views.examples import example_of

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

PROBLEMS = {
    "parameter": "A parameter, header or field cannot be understood: `parameter` names it, `detail` says why.",
    "unauthorized": "No token came, or none that this service knows: `WWW-Authenticate` says which.",
    "forbidden": "The token is not for that: `detail` names the scope that it lacks, or the sources that it is "
    "limited to. "
    "Or a browser asks for something to be done on behalf of a page of another site.",
    "not-found": "There is no such path, or nothing with this id or position.",
    "gone": "What is asked for was erased: that it was there, and its proof, are all that is left.",
    "conflict": "What is asked for does not go with how things are by now: `detail` says how they are.",
    "method": "The path knows other methods: see the `Allow` header.",
    "too-large": "The body is larger than the query API takes.",
    "not-json": "The body has another content type than JSON, or is encoded.",
    "busy": "The database is away, what was waited for did not come, or the question took too long. "
    "`detail` says which, `Retry-After` says when to ask again.",
    "fault": "Something that nobody foresaw. It is on record; its cause is not told.",
    "other": "The request is refused as the status says.",
}
"""Every kind of problem. A problem's `type` links to its paragraph."""


def publish(app: Flask, document: Callable[[], dict[str, Any]]) -> None:
    """Serves the page."""
    app.jinja_env.filters["type_of"] = type_of
    app.jinja_env.filters["prose"] = prose

    @cache
    def page() -> str:
        told = document()
        made = render_template(
            "docs.html",
            document=told,
            groups=_groups(told),
            problems=PROBLEMS,
            tried=can_be_tried,
            example=partial(example, told["components"]["schemas"]),
        )
        return re.sub(r"\n +<", "\n<", made)  # a fifth of the page is indentation

    def docs() -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
        return Response(page(), headers=headers, content_type="text/html; charset=utf-8")

    app.add_url_rule("/docs", "docs", docs)


def prose(text: str) -> Markup:
    """Converts text with `code` to HTML."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def example(components: dict[str, Any], schema: dict[str, Any]) -> Markup:
    """An example response of that schema as HTML. Quotes are not escaped, which would double the page."""
    text = json.dumps(example_of(schema, components), indent=1)
    return Markup(str(escape(text)).replace("&#34;", '"'))  # noqa: S704 - escaped before; it stands in no attribute


def can_be_tried(method: str, path: str, operation: dict[str, Any]) -> bool:
    """Whether the page may send it: it changes nothing, ends, and can be displayed."""
    media = operation["responses"].get("200", {}).get("content", {})
    return method == "GET" and path.startswith("/v1/") and "application/json" in media


def type_of(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words, such as `list of Run` or `string or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")


def _groups(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return groups
