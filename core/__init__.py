"""The log's meaning, pure: events, machines, fold. Imports no framework, no database, no clock."""
