"""Whom `hookfold simulate` sends to, as whom, and signed with what."""

import os
from dataclasses import dataclass
from pathlib import Path

from adapters.cli.commands import Wrong, read_settings


@dataclass(frozen=True)
class SimulationTarget:
    """Where to send, as whom, and how to sign. `proxied`: the name of the source whose handler answers, if one does."""

    url: str
    provider: str
    secret: str | None
    package: str | None = None
    proxied: str | None = None


def target(
    source: str | None, url: str | None, provider: str | None, secret: str | None, config: Path | None
) -> SimulationTarget:
    if source is not None:
        return _configured(source, url, secret, config)
    if url is None or provider is None:
        raise Wrong("say --source, or --url and --provider")
    if secret is None and provider in ("amps", "wms"):
        raise Wrong(f"{provider} signs its webhooks: give --secret env:NAME or file:PATH")
    return SimulationTarget(url, provider, _secret(secret))


def _configured(name: str, url: str | None, secret: str | None, config: Path | None) -> SimulationTarget:
    found = read_settings(config, senders=True)
    if name not in found.sources:
        raise Wrong(f"{found.path} has no source {name}: take one of {', '.join(sorted(found.sources))}")
    source = found.sources[name]
    configured = source.secrets[0].value if source.secrets else None
    here = f"http://127.0.0.1:{found.port}/in/{source.path}"
    proxied = name if source.forward is not None and source.forward.mode == "proxy" else None
    return SimulationTarget(url or here, source.provider, _secret(secret) or configured, source.package_name, proxied)


def _secret(ref: str | None) -> str | None:
    """The text behind a reference. A secret itself is refused: everybody on the machine sees a command line."""
    if ref is None:
        return None
    scheme, _, name = ref.partition(":")
    if scheme not in ("env", "file"):
        raise Wrong("--secret: write env:NAME or file:PATH")
    text = os.environ.get(name, "") if scheme == "env" else _content(Path(name))
    if not text:
        raise Wrong(f"--secret: there is nothing in {ref}")
    return text


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Wrong(f"--secret: {path} cannot be read ({error.strerror})") from error
