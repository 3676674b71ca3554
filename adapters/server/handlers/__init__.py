"""Outgoing HTTP: to the sources' handlers, inline or relayed, and to the providers' APIs."""
