"""Converts rows and folds to the response types that views share."""
