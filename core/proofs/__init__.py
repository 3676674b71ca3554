"""Leaf hashes, the Merkle tree over them, and signed notes."""
