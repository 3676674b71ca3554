"""The command line: one small file for each command, wired by the composition root."""
