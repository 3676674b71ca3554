"""The Merkle tree over the log, its checkpoints, and the recomputation of both."""
