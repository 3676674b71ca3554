"""Folds events into states: one by one, from a prefix, or piece by piece."""
