"""The release of rejected deliveries after a secret was corrected."""
