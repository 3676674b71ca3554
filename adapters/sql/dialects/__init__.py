"""What differs between SQLite and PostgreSQL on the append path, and how many rows travel in one statement."""
