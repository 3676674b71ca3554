"""Builds the console's blueprint: pages, sign-in, error pages and security headers."""

from collections.abc import Callable

from flask import Blueprint, Response, render_template

from adapters.console import asking, filters
from adapters.console.signing import SignIn
from adapters.console.views import events, lists, live, machines, overview, replays, report, search, things
from adapters.http import Holders, Problem, Questions

POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy. Only our script file may run: pages show text from senders."""


def console(questions: Questions, key: bytes, holders: Holders, first: Callable[[], list[str]]) -> Blueprint:
    """Builds the blueprint. `key` signs cookies. `first` returns the commands that send a first webhook."""
    pages = Blueprint(
        "console", __name__, template_folder="templates", static_folder="static", static_url_path="/console"
    )
    ask = asking.Asking(questions)
    SignIn(key, holders).protect(pages)
    overview.add(pages, ask, first)
    for part in (lists, things, report, events, machines, search, live, replays):
        part.add(pages, ask)
    for name, filter_ in filters.ALL.items():
        pages.add_app_template_filter(filter_, name)
    pages.register_error_handler(Problem, _problem)
    pages.after_request(_inert)
    return pages


def _problem(problem: Problem) -> Response:
    page = render_template("console/problem.html", problem=problem)
    return Response(page, problem.status, problem.headers, content_type="text/html; charset=utf-8")


def _inert(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    return response
