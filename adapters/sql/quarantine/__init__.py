"""Rejected deliveries that verify now that a secret was corrected."""
