"""How the pages call the API, with the query parameters that forms send."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import g, redirect, request
from werkzeug.wrappers import Response

from adapters.console.times import INSTANTS, instant_of
from adapters.http import Problem, Questions, Told


def sent(day: Callable[[], str]) -> dict[str, str]:
    """The request's query parameters without empty ones. `day` returns the date for a time without a date."""
    given = {name: value.strip() for name, value in request.args.items()}
    return {name: instant_of(value, day) if name in INSTANTS else value for name, value in given.items() if value}


def go(path: str) -> Response:
    """Redirects to a page of the console after a POST (303 See Other)."""
    return redirect(request.script_root + path, 303)


class Asking:
    """Calls the API with the token of the signed-in user."""

    def __init__(self, questions: Questions) -> None:
        self.questions = questions

    def now(self) -> datetime:
        """The current time in UTC."""
        return self.questions.now()

    def today(self) -> str:
        """The current date in UTC, as `YYYY-MM-DD`."""
        return f"{self.now():%Y-%m-%d}"

    def told(self, name: str, parameters: Mapping[str, str] | None = None, /, **path: str) -> Told:
        """Calls a GET endpoint. Returns its response with the parsed parameters. Raises Problem."""
        return self.questions.ask(name, g.get("token"), parameters or {}, **path)

    def answer(self, name: str, parameters: Mapping[str, str] | None = None, /, **path: str) -> Any:
        """Calls a GET endpoint and returns its response. Raises Problem."""
        return self.told(name, parameters, **path).answer

    def do(self, name: str, document: dict[str, Any], /, **path: str) -> Any:
        """Calls a POST endpoint and returns its response. Raises Problem."""
        return self.questions.do(name, g.get("token"), document, **path)

    def show_ids(self, stream: str) -> None:
        """Records the access in the log, then unmasks personal ids for the rest of the request. Raises Problem."""
        self.questions.note("ids_read", g.get("token"), stream, stream=stream)
        g.whole = True

    def answer_or_why_not(self, name: str, parameters: Mapping[str, str], /, **path: str) -> tuple[Any, str | None]:
        """For an optional part of a page: returns (response, None), or (None, the error message)."""
        try:
            return self.answer(name, parameters, **path), None
        except Problem as problem:
            return None, problem.detail
