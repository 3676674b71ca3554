"""The `hookfold` command and what stands under it."""

import click

from adapters.cli.audit.archive import export, import_
from adapters.cli.audit.audit import audit
from adapters.cli.commands import Commands
from adapters.cli.replay.replay import replay
from adapters.cli.running.db import db
from adapters.cli.running.init import init
from adapters.cli.running.quarantine import quarantine
from adapters.cli.running.reconcile import reconcile
from adapters.cli.running.relay import relay
from adapters.cli.running.serve import serve
from adapters.cli.trial.demo import demo
from adapters.cli.trial.listen import listen
from adapters.cli.trial.simulate import simulate


def command_line(commands: Commands) -> click.Group:
    """The command line over what the composition root wired. Exit codes: 0 good, 1 something is not, 2 wrong usage."""
    group = click.Group(
        "hookfold",
        commands=[
            serve,
            listen,
            init,
            simulate,
            demo,
            db,
            relay,
            reconcile,
            quarantine,
            replay,
            audit,
            export,
            import_,
        ],
        help="Webhooks in, an append-only SQL log, explicit state machines, and answers over HTTP.",
        context_settings={"obj": commands, "help_option_names": ["-h", "--help"]},
    )
    return click.version_option(package_name="hookfold")(group)
