"""Every command explains itself."""

import click
import pytest

from adapters.cli import Commands, command_line


def commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [path, *(found for name, child in below for found in commands(child, (*path, name)))]


ALL = commands(command_line(Commands(serve=print, migrate=print, revision=lambda _url: (None, None))))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_tells_what_it_does(run, path):
    result = run(*path, "--help")

    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("quarantine release", "Tell what would be taken, and take nothing."),
        ("audit erase", "Tell what would be erased, and erase nothing."),
        ("audit retain", "Tell what would be erased, and erase nothing."),
    ],
)
def test_a_dry_run_is_told_in_the_words_of_its_command(run, path, words):
    told = " ".join(run(*path.split(), "--help").output.split())

    assert words in told


def test_whatever_tells_an_outcome_tells_it_to_programs_too(run):
    """`serve` logs JSON, `demo` is for people alone, `export` writes what programs read."""
    groups = {path[:-1] for path in ALL if path}

    without = {" ".join(path) for path in ALL if path not in groups and "--json" not in run(*path, "--help").output}

    assert without == {"serve", "demo", "export"}
