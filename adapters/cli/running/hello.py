"""A first webhook to paste into another terminal, signed with the configured secret."""

from shlex import quote

from adapters.config import Scope, Secret, Settings, Source
from adapters.simulator import FIRST, first_curl


def hello(settings: Settings, now: float) -> str:
    """Where the service listens, a signed `curl`, and one that asks what became of it. `now`: Unix seconds."""
    base = settings.base
    source = _source(settings)
    if source is None:
        return (
            f"Hookfold on {base} has no source to receive from: "
            f"add [sources.NAME] with its provider to {settings.path}, and start again. "
            "`hookfold init --config example.toml` writes one of each to copy from."
        )
    asked = "actions" if source.provider == "amps" else "sessions"
    return "\n".join(
        [
            f"Hookfold on {base}, with the sources of {settings.path}.",
            f"Pages for people: {base}/ The API: {base}/docs",
            "",
            "A signed webhook to try in another terminal:",
            "",
            _curl(base, source, now),
            "",
            *_question(settings, f"{base}/v1/{asked}"),
            "",
        ]
    )


def _question(settings: Settings, url: str) -> list[str]:
    """With a token that may read, by where it is, never itself; no question that would be refused."""
    readers = [token.secret for token in settings.tokens.values() if Scope.READ in token.scopes]
    if settings.tokens and not readers:
        return [f"What became of it is told to a token with the scope read: {settings.path} has none."]
    header = f' -H "Authorization: Bearer {_expansion(settings, readers[0])}"' if readers else ""
    return ["and what became of it:", "", f"  curl -s {url}{header}"]


def _expansion(settings: Settings, secret: Secret) -> str:
    """What a shell puts the secret in for; a file's lines may end in CR, which no header takes."""
    scheme, _, name = secret.ref.partition(":")
    file = quote(str(settings.path.parent / name))
    return f"${name}" if scheme == "env" else f"$(tr -d '\\r\\n' < {file})"


def _source(settings: Settings) -> Source | None:
    sources = sorted(settings.sources.values(), key=lambda source: list(FIRST).index(source.provider))
    return sources[0] if sources else None


def _curl(base: str, source: Source, now: float) -> str:
    secret = source.secrets[0].value if source.secrets else None
    return first_curl(base, source.path, source.provider, secret, source.package_name, now)
