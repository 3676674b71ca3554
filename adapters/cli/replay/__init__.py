"""Commands that fold the log again."""
