"""Destroys bodies and retracts events; the proofs stay."""
