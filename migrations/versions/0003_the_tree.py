"""The Merkle tree over the events, and its checkpoints."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
