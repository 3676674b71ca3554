"""`hookfold demo`: a service of its own, signed traffic of all four providers, and what became of it."""

import click


@click.command()
def demo() -> None:
    """Start a service on a free port with a database of its own, play traffic at it, and show the states."""
