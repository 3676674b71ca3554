"""What a service stores about itself: the secrets that the database was used with, and its configuration."""
