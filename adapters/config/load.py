"""Reads hookfold.toml and the environment. Errors name the file, the key and what to do."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from adapters.config import forwards, values
from adapters.config.secrets import beside, path_secret, replica_url, resolve, service_secret, signing_key
from adapters.config.settings import ConfigError, Polling, Secret, Service, Settings, Source
from adapters.config.surroundings import config_path, database_folder, database_url, port
from adapters.config.tokens import tokens
from adapters.providers import PROVIDERS, Provider

RESERVED_NAME = "hookfold"
AMPS_API = "https://api.amps.ai"

_TAKEN: dict[str, values.Take] = {
    "allowed_websocket_hosts": values.hosts,
    "node_ascii": values.switch,
    "event_type": values.text,
    "keep_for": values.duration,
    "overdue_after": values.duration,
    "package_name": values.text,
    "presumed_ended_after": values.duration,
    "rate": values.rate,
    "silent_after": values.duration,
}
_SERVICE: dict[str, values.Take] = {
    "answer_within": values.duration,
    "base_url": values.base_url,
    "max_body": values.size,
    "origin": values.origin,
    "checkpoint_every": values.duration,
    "peer_rate": values.rate,
    "spool_folder": values.folder,
    "trusted_proxies": values.networks,
}


def load(path: Path | None, env: Mapping[str, str], *, senders: bool = True) -> Settings:
    """The settings in `path` (None: the file that HOOKFOLD_CONFIG names).

    Without `senders`, secrets of sources and tokens are not read: a command that receives nothing may lack them. A
    missing secret of the service is marked as absent; `make_secrets` creates it. Raises ConfigError, whose message is
    for the person who starts the service.
    """
    where = config_path(env) if path is None else path
    document = _parsed(where)
    values.only(where, "", document, ("service", "sources", "tokens"))
    url = database_url(env)
    known = env if senders else None
    sources = {name: _source(where, name, given, known) for name, given in _tables(where, document, "sources").items()}
    service = _service(where, _tables(where, document, "service"), url, env)
    found = tokens(where, _tables(where, document, "tokens"), env, sources) if senders else {}
    return Settings(where, service, sources, url, port(env), found)


def _parsed(where: Path) -> values.Table:
    try:
        return tomllib.loads(where.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            where, "", "there is no such file: name it with HOOKFOLD_CONFIG, or `hookfold init` writes one"
        ) from None
    except OSError as error:
        raise ConfigError(where, "", f"it cannot be read ({error.strerror}): let the service read it") from None
    except UnicodeDecodeError:
        raise ConfigError(where, "", "it is not UTF-8: save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, "", f"it is not TOML: {error}") from None


def _tables(where: Path, document: values.Table, key: str) -> values.Table:
    return values.table(where, key, document.get(key, {}))


def _service(where: Path, given: values.Table, url: str, env: Mapping[str, str]) -> Service:
    values.only(where, "service.", given, ("secret", "signing_key", "read_database_url", *_SERVICE))
    folder = database_folder(url) or where.parent / "var"
    taken = values.taken(where, "service", given, _SERVICE)
    secret = service_secret(given.get("secret"), folder / "secret", where, env)
    key = signing_key(given.get("signing_key"), beside(secret, folder, where), where, env)
    replica = replica_url(given.get("read_database_url"), url, where, env)
    taken.setdefault("spool_folder", folder / "spool")
    return Service(secret, key, read_database_url=replica, **taken)


def _source(where: Path, name: str, given: object, env: Mapping[str, str] | None) -> Source:
    key = f"sources.{name}"
    values.name(where, key, name, RESERVED_NAME)
    table = values.table(where, key, given)
    provider = _provider(where, f"{key}.provider", table.get("provider"))
    values.only(where, f"{key}.", table, settings_of(provider))
    taken = values.taken(where, key, table, _TAKEN)
    _check_event_type(where, f"{key}.event_type", taken.get("event_type"), provider)
    secrets = _secrets(where, f"{key}.secrets", table.get("secrets"), provider, env)
    forward = forwards.forward(where, key, table, provider)
    path = path_secret(where, f"{key}.path_secret", table.get("path_secret"), forward, env)
    taken |= {"secrets": secrets, "forward": forward, "path_secret": path, "polling": _polling(where, key, table, env)}
    return Source(name=name, provider=table["provider"], **taken)


def settings_of(provider: type[Provider]) -> set[str]:
    """Every setting of a source of this provider."""
    unsigned = set() if provider.signed else {"path_secret"}
    return {
        "provider",
        "keep_for",
        "rate",
        "silent_after",
        *unsigned,
        *forwards.settings_of(provider),
        *provider.settings,
    }


def _polling(where: Path, key: str, table: values.Table, env: Mapping[str, str] | None) -> Polling | None:
    """The settings of the provider's API; None if it is not configured, or without an environment."""
    given = values.taken(where, key, table, {"api_url": values.url, "reconcile_every": values.duration})
    if "api_key" not in table:
        for name in given:
            raise ConfigError(where, f"{key}.{name}", 'add api_key = "env:NAME" or "file:PATH", or remove this key')
        return None
    if env is None:
        return None
    secret = resolve(table["api_key"], where, f"{key}.api_key", env)
    return Polling(given.get("api_url", AMPS_API), secret, given.get("reconcile_every"))


def _provider(where: Path, key: str, name: object) -> type[Provider]:
    if not isinstance(name, str) or name not in PROVIDERS:
        raise ConfigError(where, key, f"make it one of {', '.join(sorted(PROVIDERS))}")
    return PROVIDERS[name]


def _check_event_type(where: Path, key: str, event_type: str | None, provider: type[Provider]) -> None:
    types = provider.types
    if event_type is not None and event_type not in types:
        raise ConfigError(where, key, f"make it one of {', '.join(sorted(types))}")


def _secrets(
    where: Path, key: str, refs: object, provider: type[Provider], env: Mapping[str, str] | None
) -> tuple[Secret, ...]:
    """The source's secrets; none without an environment."""
    if not provider.signed:
        return ()
    if not isinstance(refs, list) or not refs:
        raise ConfigError(where, key, 'this provider signs: list its secrets, such as ["env:NAME"]')
    if env is None:
        return ()
    secrets = tuple(resolve(ref, where, key, env) for ref in refs)
    for secret in secrets:
        _check_secret(where, key, secret, provider)
    return secrets


def _check_secret(where: Path, key: str, secret: Secret, provider: type[Provider]) -> None:
    try:
        provider.key_of(secret.value)
    except ValueError as error:
        raise ConfigError(where, key, f"{secret.ref} cannot be a secret of this provider: {error}") from None
