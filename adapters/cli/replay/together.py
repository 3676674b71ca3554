"""Validates combinations of options of `hookfold replay`. No option is silently ignored."""

from collections.abc import Collection, Iterable

from adapters.cli.commands import Wrong

MODES = {
    "status": (),
    "diff": ("machine", "source"),
    "rollback": ("machine", "to"),
    "drop": (),
    "reread": ("source",),
    "capture": ("why", "output"),
}
"""The modes, each chosen by one option, with the options that it allows. --json goes with all."""

COMMON = ("config", "database", "as_json")
PART = ("source", "stream", "kind", "since")


def mode_of(given: Collection[str]) -> str:
    """Returns the mode of these options, "part" (some streams are refolded in place) or "rebuild".

    Raises Wrong for an invalid combination, which names the valid ones.
    """
    mode = next((mode for mode in MODES if mode in given), None)
    if mode is not None:
        _check(given, (mode,), MODES[mode])
        return mode
    if any(name in PART for name in given):
        _check(given, PART, ())
        return "part"
    if any(name in MODES["capture"] for name in given):
        raise Wrong("--why and --output go with --capture ID only")
    return "rebuild"


def _check(given: Collection[str], these: Collection[str], with_them: Collection[str]) -> None:
    others = [name for name in given if name not in {*these, *with_them}]
    if not others:
        return
    if with_them:
        alone = f"goes with {_options(with_them)} only"
    else:
        alone = "goes alone" if len(these) == 1 else "go with each other only"
    raise Wrong(f"{_options(these)} {alone}, not with {_options(others)}")


def _options(names: Iterable[str]) -> str:
    *others, last = ("--" + name.replace("_", "-") for name in names)
    return f"{', '.join(others)} and {last}" if others else last
