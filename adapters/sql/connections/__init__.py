"""How a database is reached, and is the one that it was: addresses, engines, sessions, files, revisions, backups."""
