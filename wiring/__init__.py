"""The assembly of the adapters: the components of a process, the opening of a database, the commands."""
