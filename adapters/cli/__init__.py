"""The command line: one small file for each command, wired by the composition root."""

from adapters.cli.commands import Commands, Keeping, Serving
from adapters.cli.main import command_line

__all__ = ["Commands", "Keeping", "Serving", "command_line"]
