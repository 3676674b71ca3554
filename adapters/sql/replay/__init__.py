"""Rebuilds projections beside those that serve, and shows what would change."""
