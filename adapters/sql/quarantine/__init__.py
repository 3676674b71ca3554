"""Rejections that hold now that a secret was corrected."""
