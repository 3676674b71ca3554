"""Server-sent events and long polls without threads, fed by one tail of the log."""
