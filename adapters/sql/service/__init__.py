"""What a service notes of itself: keys that belong to the database, and its configuration."""
