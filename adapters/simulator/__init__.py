"""Documented and realistic traffic of the four providers, correctly signed, and what plays it at a service."""
