"""What is wired with what: the parts of a process, how a database is opened, what the command line does."""
