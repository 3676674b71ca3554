"""Takes a log out of one database and into another."""
