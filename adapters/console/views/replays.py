"""The pages of replays: planned changes, progress, versions, and the switch back to an earlier version."""

from flask import Blueprint, g, render_template, request
from werkzeug.wrappers import Response as Redirect

from adapters.config import Scope
from adapters.console.asking import Asking, go
from adapters.http import BadRequest
from core.folding.fold import MACHINES

AT_WORK = ("planning", "replaying")


def add(pages: Blueprint, ask: Asking) -> None:
    """Registers the pages and the forms that plan, confirm and switch. Each form needs a token with the scope `act`."""

    def replays() -> str:
        versions = ask.answer("versions", {"limit": "100"}).data
        plans = ask.answer("replays", {"limit": "20"}).data
        return render_template(
            "console/replays.html",
            versions=versions,
            plans=plans,
            position=ask.questions.head(),
            machines=sorted(MACHINES),
            working=any(one.status in AT_WORK for one in plans),
            may_act=may_act(),
        )

    def replay(id: str) -> str:  # noqa: A002 - as the API calls it
        plan = ask.answer("planned_replay", id=id)
        versions = [one for one in ask.answer("versions", {"limit": "100"}).data if one.status == "building"]
        position = ask.questions.head()
        working = plan.status in AT_WORK
        return render_template(
            "console/replay.html", plan=plan, building=versions, position=position, working=working, may_act=may_act()
        )

    def plan() -> Redirect:
        begun = ask.do("plan_replay", {"machines": request.form.getlist("machine")})
        return go(f"/replays/{begun.id}")

    def confirm(id: str) -> Redirect:  # noqa: A002 - as the API calls it
        _require_confirmation()
        ask.do("confirm_replay", {}, id=id)
        return go(f"/replays/{id}")

    def serve(version: str) -> Redirect:
        _require_confirmation()
        ask.do("serve_version", {}, version=version)
        return go("/replays")

    pages.add_url_rule("/replays", "replays", replays)
    pages.add_url_rule("/replays/<id>", "replay", replay)
    pages.add_url_rule("/replays", "plan_replay", plan, methods=["POST"])
    pages.add_url_rule("/replays/<id>/confirm", "confirm_replay", confirm, methods=["POST"])
    pages.add_url_rule("/versions/<version>/serve", "serve_version", serve, methods=["POST"])


def may_act() -> bool:
    """Whether the user may switch versions. It needs the scope `act` and access to all sources."""
    token = g.get("token")
    return token is None or (Scope.ACT in token.scopes and token.only is None)


def _require_confirmation() -> None:
    """Raises BadRequest if the confirmation box is not ticked. Browsers enforce this; other clients may not."""
    if request.form.get("sure") != "yes":
        raise BadRequest("tick the box that says what will happen, then send the form", parameter="sure")
