"""The command line: one small file for each command, wired by the composition root."""

from adapters.cli.commands import Asked, Commands, Keeping, Rotated, Serving
from adapters.cli.main import command_line
