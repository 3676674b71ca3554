"""The settings of a source's handler (`mode`)."""

from pathlib import Path
from typing import Any

from adapters.config import values
from adapters.config.settings import RELAYED_WITHIN, RETRY_FOR, SPOOL_BYTES, ConfigError, Forward
from adapters.providers import Provider

_TAKEN: dict[str, values.Take] = {
    "forward_to": values.url,
    "forward_within": values.duration,
    "most_forwards": values.count,
    "retry_for": values.duration,
    "signature": values.choice("enforce", "observe"),
    "on_store_failure": values.choice("refuse", "spool"),
    "spool_bytes": values.room,
}
_OF_ONE = {"retry_for": "relay", "signature": "proxy", "on_store_failure": "proxy", "spool_bytes": "proxy"}
"""Settings that only one mode has."""
_mode = values.choice("record", "proxy", "relay")


def settings_of(provider: type[Provider]) -> set[str]:
    """The settings of a source that are parsed here. `signature` only for providers that sign."""
    return {"mode", *_TAKEN} - (set() if provider.signed else {"signature"})


def forward(where: Path, key: str, table: values.Table, provider: type[Provider]) -> Forward | None:
    """The handler; None in mode `record`. Raises ConfigError if the settings contradict each other."""
    given = values.taken(where, key, table, _TAKEN)
    mode = _mode(where, f"{key}.mode", table.get("mode", "record"))
    _check(where, key, mode, given)
    if mode == "record":
        return None
    most = {"most": given["most_forwards"]} if "most_forwards" in given else {}
    if mode == "relay":
        within, retry_for = given.get("forward_within", RELAYED_WITHIN), given.get("retry_for", RETRY_FOR)
        return Forward(given["forward_to"], within, **most, retry_for=retry_for)
    observe, spools = given.get("signature") == "observe", given.get("on_store_failure") == "spool"
    spool = given.get("spool_bytes", SPOOL_BYTES) if spools else None
    within = given.get("forward_within", provider.patience)
    return Forward(given["forward_to"], within, **most, observe=observe, spool=spool)


def _check(where: Path, key: str, mode: str, given: dict[str, Any]) -> None:
    for name in given:
        if mode == "record":
            mend = 'nothing is forwarded: add mode = "proxy" or "relay", or remove this key'
            raise ConfigError(where, f"{key}.{name}", mend)
        if _OF_ONE.get(name, mode) != mode:
            raise ConfigError(where, f"{key}.{name}", f'only mode = "{_OF_ONE[name]}" takes it: remove this key')
    if "spool_bytes" in given and given.get("on_store_failure") != "spool":
        raise ConfigError(where, f"{key}.spool_bytes", 'add on_store_failure = "spool", or remove this key')
    if mode != "record" and "forward_to" not in given:
        mend = f'mode = "{mode}" needs it: say where the handler listens, such as "http://127.0.0.1:3000"'
        raise ConfigError(where, f"{key}.forward_to", mend)
