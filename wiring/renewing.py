"""Rereads secrets while the service runs (SIGHUP): those of the sources, the tokens, and the log's signing key."""

import os
from contextlib import closing
from dataclasses import replace

import msgspec
import structlog

from adapters import config as configuration
from adapters.config import ConfigError, Polling, Settings, Source, waiting_key
from adapters.http import Api, Door
from adapters.providers import build
from adapters.server import Reloaded
from wiring.components import Components, ProcessInput, wire_handed
from wiring.opening import check_facts, note
from wiring.signing import signing_key, with_key_in_force

_logger = structlog.get_logger()


def reload(hand: ProcessInput) -> Reloaded | None:
    """Rereads the secrets and records what changed. None if there is an error; then nothing changes.

    Logs the result, never a secret.
    """
    with closing(wire_handed(hand, "reload")) as components:
        try:
            found = _with_log(configuration.load(hand.settings.path, os.environ), components)
            renewed = replace(components, settings=with_secrets_of(hand.settings, found))
            if renewed.settings.service.signing_key != hand.settings.service.signing_key:
                check_facts(renewed)
            renewed = note(renewed, "reload")
        except ConfigError as error:
            _logger.error("reload_refused", reason=str(error), mend="nothing was changed: mend it, send SIGHUP again")  # noqa: TRY400
            return None
        hand_anew = renewed.handed()._replace(files=hand.files)
        return Reloaded(hand_anew, left_for_restart(renewed.settings, found))


def _with_log(found: Settings, components: Components) -> Settings:
    """The settings with the log's name, and with its key in force if a rotation was interrupted."""
    service = components.settings.service
    if found.service.signing_key == service.signing_key and waiting_key(found) is None:
        return msgspec.structs.replace(found, service=msgspec.structs.replace(found.service, log_name=service.log_name))
    return with_key_in_force(components.engine, found, complete=not components.read_only)


def with_secrets_of(running: Settings, found: Settings) -> Settings:
    """The running settings with the new secrets. The first token and the removal of the last one need a restart."""
    sources = {name: _renewed(source, found.sources.get(name)) for name, source in running.sources.items()}
    tokens = found.tokens if running.tokens and found.tokens else running.tokens
    key = {"signing_key": found.service.signing_key, "log_name": found.service.log_name}
    service = msgspec.structs.replace(running.service, **key)
    return msgspec.structs.replace(running, service=service, sources=sources, tokens=tokens)


def left_for_restart(taken: Settings, found: Settings) -> list[str]:
    """The changes that take effect only at the next start."""
    names = sorted({*taken.sources, *found.sources})
    left = [f"sources.{name}" for name in names if taken.sources.get(name) != found.sources.get(name)]
    left += ["tokens"] if taken.tokens != found.tokens else []
    return left + (["service"] if taken.service != found.service else [])


def renew(handed: ProcessInput, door: Door, api: Api) -> None:
    """Applies new secrets, tokens and the new signing key to a process that receives deliveries."""
    settings = handed.settings
    providers = {name: build(source) for name, source in settings.sources.items()}
    door.verify_with(providers, handed.secrets_changed, settings.paths)
    renew_tokens(handed, api)


def renew_tokens(handed: ProcessInput, api: Api) -> None:
    """Applies new tokens and the new signing key to a process that receives no deliveries."""
    api.holders.renew(handed.settings.tokens)
    if api.signer is not None:
        api.signer.sign_with(signing_key(handed.settings))


def renew_key(handed: ProcessInput, components: Components) -> None:
    """Applies a new signing key to the upkeep process."""
    components.signing.key = signing_key(handed.settings)


def _renewed(running: Source, found: Source | None) -> Source:
    if found is None or found.provider != running.provider:
        return running
    polling = _with_key_of(running.polling, found.polling)
    return msgspec.structs.replace(running, secrets=found.secrets, path_secret=found.path_secret, polling=polling)


def _with_key_of(running: Polling | None, found: Polling | None) -> Polling | None:
    """Takes the new key only for the same API, because it must not be sent to another."""
    if running is None or found is None or found.url != running.url:
        return running
    return msgspec.structs.replace(running, key=found.key)
