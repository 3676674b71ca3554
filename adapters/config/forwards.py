"""Whether a source's deliveries go on to a handler, and to which (`mode`)."""

from pathlib import Path
from typing import Any

from adapters.config import values
from adapters.config.settings import ConfigError, Forward
from adapters.providers import Provider

_TAKEN: dict[str, values.Take] = {
    "forward_to": values.url,
    "forward_within": values.duration,
    "most_forwards": values.count,
    "signature": values.choice("enforce", "observe"),
}
_mode = values.choice("record", "proxy")


def settings_of(provider: type[Provider]) -> set[str]:
    """The keys of a source that are taken here. Where nothing is signed, no signature is observed."""
    return {"mode", *_TAKEN} - (set() if provider.signed else {"signature"})


def forward(where: Path, key: str, table: values.Table, provider: type[Provider]) -> Forward | None:
    """None where we answer ourselves. Raises ConfigError where what is there does not go together."""
    given: dict[str, Any] = {
        name: take(where, f"{key}.{name}", table[name]) for name, take in _TAKEN.items() if name in table
    }
    if _mode(where, f"{key}.mode", table.get("mode", "record")) == "record":
        for name in given:
            raise ConfigError(where, f"{key}.{name}", 'nothing is forwarded: add mode = "proxy", or remove this key')
        return None
    if "forward_to" not in given:
        mend = 'mode = "proxy" needs it: say where the handler listens, such as "http://127.0.0.1:3000"'
        raise ConfigError(where, f"{key}.forward_to", mend)
    within = given.get("forward_within", provider.patience)
    observe = given.get("signature") == "observe"
    return Forward(given["forward_to"], within, **_most(given), observe=observe)


def _most(given: dict[str, Any]) -> dict[str, int]:
    return {"most": given["most_forwards"]} if "most_forwards" in given else {}
