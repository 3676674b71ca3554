"""What a page asks of the API: the parameters of its address, as forms send them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import g, redirect, request
from werkzeug.wrappers import Response

from adapters.console.times import INSTANTS, instant_of
from adapters.http import Problem, Questions, Told


def sent(day: Callable[[], str]) -> dict[str, str]:
    """The address' parameters: a field that was left empty is not asked. `day`: that of a time which names none."""
    given = {name: value.strip() for name, value in request.args.items()}
    return {name: instant_of(value, day) if name in INSTANTS else value for name, value in given.items() if value}


def go(path: str) -> Response:
    """Leads the browser on to a page of ours, behind a form."""
    return redirect(request.script_root + path, 303)


class Asking:
    """Puts questions in the name of whoever looks."""

    def __init__(self, questions: Questions) -> None:
        self.questions = questions

    def now(self) -> datetime:
        """The present time, UTC."""
        return self.questions.now()

    def today(self) -> str:
        """Its day."""
        return f"{self.now():%Y-%m-%d}"

    def told(self, name: str, parameters: Mapping[str, str] | None = None, /, **path: str) -> Told:
        """The answer, and the parameters that it was asked with. Raises Problem."""
        return self.questions.ask(name, g.get("token"), parameters or {}, **path)

    def answer(self, name: str, parameters: Mapping[str, str] | None = None, /, **path: str) -> Any:
        """The answer alone. Raises Problem."""
        return self.told(name, parameters, **path).answer

    def do(self, name: str, document: dict[str, Any], /, **path: str) -> Any:
        """What a POST of the API answers. Raises Problem."""
        return self.questions.do(name, g.get("token"), document, **path)

    def show_ids(self, stream: str) -> None:
        """From here on this page tells personal ids whole, which is on record first. Raises Problem."""
        self.questions.note("ids_read", g.get("token"), stream, stream=stream)
        g.whole = True

    def answer_or_why_not(self, name: str, parameters: Mapping[str, str], /, **path: str) -> tuple[Any, str | None]:
        """A part of a page: the answer, or else words; the page is shown all the same."""
        try:
            return self.answer(name, parameters, **path), None
        except Problem as problem:
            return None, problem.detail
