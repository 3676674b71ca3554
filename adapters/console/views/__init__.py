"""The pages, a file for what each is about."""
