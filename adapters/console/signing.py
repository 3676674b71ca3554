"""Sign-in with an API token, the signed session cookie, and protection against cross-site request forgery (CSRF)."""

import re
import secrets
from datetime import timedelta
from hmac import compare_digest

from flask import Blueprint, Response, g, render_template, request, session
from flask.blueprints import BlueprintSetupState

from adapters.config import Token
from adapters.console.asking import go
from adapters.http import BadRequest, Holders
from core.mac import mac

SESSION_LIFETIME = timedelta(hours=12)
"""How long a sign-in lasts."""

OPEN = frozenset({"console.static", "console.sign_in"})
"""The endpoints that need no sign-in."""

_LOCAL = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
"""A local path. A URL of another host does not match."""


class SignIn:
    """The sign-in of a blueprint. `key` signs the cookies. Without `tokens`, no sign-in is needed."""

    def __init__(self, key: bytes, tokens: Holders) -> None:
        self._key = key
        self._tokens = tokens

    def protect(self, pages: Blueprint) -> None:
        """Requires a sign-in for every page of the blueprint and adds the routes that sign in and out."""
        pages.record(self._configure)
        pages.before_request(self._require_sign_in)
        pages.add_url_rule("/sign-in", "sign_in", self._sign_in, methods=["POST"])
        pages.add_url_rule("/sign-out", "sign_out", self._sign_out, methods=["POST"])
        pages.context_processor(lambda: {"csrf": csrf, "signed_in": g.get("token")})

    def _configure(self, state: BlueprintSetupState) -> None:
        """Configures the session cookie. It is `Secure` if `base_url` is an https URL: a proxy may end TLS."""
        state.app.config.update(
            SESSION_COOKIE_SECURE=state.app.config["BASE_URL"].startswith("https:"),
            SECRET_KEY=self._key,
            SESSION_COOKIE_NAME="hookfold",
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Strict",
            SESSION_REFRESH_EACH_REQUEST=False,
            PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        )

    def _require_sign_in(self) -> Response | None:
        """Stores the request's token. Returns the sign-in form if there is none.

        Raises BadRequest if a POST has no valid CSRF token.
        """
        if request.endpoint not in OPEN and self._tokens:
            g.token = self._session_token()
            if g.token is None:
                return self._form("")
        if request.method == "POST" and not _is_ours():
            raise BadRequest("this form is no longer good, or cookies are off: go back, reload, send again")
        return None

    def _sign_in(self) -> Response:
        token = self._tokens.holder(request.form.get("token", "").strip())
        if token is None:
            return self._form("This token is none of ours. It stands in the service's configuration, under [tokens].")
        session.clear()
        session.permanent = True
        session["who"], session["proof"] = token.name, self._proof(token)
        return _to(request.form.get("next", ""))

    @staticmethod
    def _sign_out() -> Response:
        session.clear()
        return _to("/")

    def _form(self, wrong: str) -> Response:
        """The sign-in form, in place of the requested page.

        RFC 9110 requires a challenge with status 401. Browsers do not prompt for `Bearer`.
        """
        asked = request.form.get("next") or (request.full_path.rstrip("?") if request.method == "GET" else "/")
        page = render_template("console/sign_in.html", next=asked, wrong=wrong)
        return Response(
            page, 401, {"WWW-Authenticate": 'Bearer realm="hookfold"'}, content_type="text/html; charset=utf-8"
        )

    def _session_token(self) -> Token | None:
        """The token that the session cookie was issued for; None if the token is gone or its secret has changed."""
        token = self._tokens.named(str(session.get("who")))
        proof = str(session.get("proof"))
        return token if token is not None and compare_digest(self._proof(token), proof) else None

    def _proof(self, token: Token) -> str:
        return mac(self._key, b"token" + token.secret.value.encode()).hex()


def csrf() -> str:
    """The session's CSRF token, which every form sends. Created on first use."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(18)
    return str(session["csrf"])


def _is_ours() -> bool:
    sent, kept = request.form.get("csrf", ""), session.get("csrf")
    return kept is not None and compare_digest(sent.encode(), str(kept).encode())


def _to(path: str) -> Response:
    given = go(path if _LOCAL.fullmatch(path) else "/")
    return Response(status=given.status_code, headers={"Location": given.headers["Location"]})
