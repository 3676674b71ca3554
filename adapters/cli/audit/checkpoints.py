"""Checkpoints that were kept elsewhere, as `--against` names them."""

import sys
from pathlib import Path

from adapters.audit import KeyChain
from adapters.cli.commands import Failed, Wrong
from core.proofs.note import Checkpoint


def kept_checkpoint(name: str, chain: KeyChain) -> Checkpoint:
    """The one in a file; - reads it from standard input. Raises Wrong, or Failed where the log's key did not sign."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"--against: {name} cannot be read") from error
    try:
        return chain.opened(text)
    except ValueError as error:
        raise Failed(f"{name} is no checkpoint of this log: {error}") from error
