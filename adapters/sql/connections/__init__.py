"""How a database is reached, and checked to be still the same one.

Addresses, engines, sessions, files, revisions, backups.
"""
