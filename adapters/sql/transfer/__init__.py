"""Exports a log from one database and imports it into another."""
