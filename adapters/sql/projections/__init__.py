"""Stored results of the fold, by machine version, and how a stream is folded again."""
