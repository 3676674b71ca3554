"""The commented hookfold.toml that `hookfold init` writes, with a fresh secret for every sender that signs."""

import secrets
from base64 import b64encode
from pathlib import Path

from adapters.config.secrets import make
from adapters.config.settings import ConfigError

TEMPLATE = """\
# Hookfold: who may send webhooks, and what is known about them. Read at the start; SIGHUP reads the secrets again.
# Secrets never stand in this file: "file:PATH" (from this file's folder) or "env:NAME" says where each one is.

[service]
# Keys our ids and hashes; made on the first start. Keep it: without it the ids change. It stands where the service may
# write: for deploy/hookfold.service, "file:/var/lib/hookfold/secret".
secret = "file:var/secret"
# max_body = 262144             # bytes of the largest body that is taken
# answer_within = "7s"          # a delivery that is not committed by then is answered with 503: senders give up, too
# signing_key = "file:var/signing-key"  # Ed25519, signs the log's checkpoints; made beside the secret
# origin = "example.com/hooks"  # the log's name in its checkpoints; without it the name is made of the key
# base_url = "https://hooks.example.com"  # how others reach the service: docs/proxy.md
# peer_rate = "600/m"           # what one address may ask and send; more gets 429
# checkpoint_every = "60s"      # while the log grows; `hookfold audit checkpoint` makes one at once
# read_database_url = "env:REPLICA_URL"  # a standby of the PostgreSQL, where questions go: docs/scale.md

# Without a token, whoever reaches the service may ask it. With one, /v1 answers only those who send one of them:
# [tokens.dashboard]
# secret = "env:DASHBOARD_TOKEN"  # 16 characters or more
# scopes = ["read"]               # read; raw: bodies as sent, bundles; act: tell of actions, replay
#                                 # act goes with read, to see what a replay would change
# sources = ["clinic"]            # it is told of these alone; without it, of all

# Each source receives at POST /in/<its name> and /in/<its name>/webhook.

[sources.clinic]
provider = "wms"
secrets = ["file:var/clinic.secret"]    # the Config ID's MAC secret; several while one replaces another
# keep_for = "365d"             # every source: `hookfold audit retain` erases the bodies of what is older
# silent_after = "12h"          # every source: after so long without an event it is told as silent; else a day
# node_ascii = true             # also take the MAC of the published JavaScript check, for bodies up to U+00FF

[sources.energy]
provider = "amps"
secrets = ["file:var/energy.secret"]    # whsec_...; one source for live, another one for the sandbox
overdue_after = "10m"           # an action without its end for so long is told as overdue
# api_key = "env:AMPS_API_KEY"    # `hookfold reconcile` asks Amps how the actions are that no webhook has ended
# reconcile_every = "10m"         # the same by itself
# event_type = "push.completed" # where this URL receives one type only: bodies carry none

[sources.captions]
provider = "mentraos"           # sends no signature: let nobody else reach its path
package_name = "com.example.captions"
# path_secret = "file:var/captions.path"  # receive at /in/captions/<secret> alone: nobody guesses it
# allowed_websocket_hosts = ["*.example.com"]  # refuse what would have the app connect to another host
# mode = "proxy"                # hand on what is recorded, and answer what the app answers; "relay": docs/forward.md
# forward_to = "http://127.0.0.1:3000"  # where the app listens
# presumed_ended_after = "12h"  # most sessions end without a webhook; this is told beside the state, never as the state

[sources.notes]
provider = "augmentos"          # the same product under its first name
package_name = "com.example.notes"
"""


def write_template(path: Path) -> list[Path]:
    """Writes the file and the secrets that it names; returns what was created. Existing secrets stay unchanged.

    Raises ConfigError if the file exists or cannot be written.
    """
    fresh = {
        path.parent / "var/clinic.secret": secrets.token_hex(32),
        path.parent / "var/energy.secret": "whsec_" + b64encode(secrets.token_bytes(24)).decode(),
    }
    try:
        if path.exists():
            raise ConfigError(path, "", "it is there already: move it away first, or change it by hand")
        made = [secret for secret, value in fresh.items() if make(secret, value, path, "secrets")]
        path.write_text(TEMPLATE, encoding="utf-8")
    except OSError as error:
        raise ConfigError(path, "", f"it cannot be written ({error.strerror}): choose another place") from None
    return [path, *made]
