"""Builds projections anew beside those that serve, and tells what would change."""
