"""Server-sent events and long polls without threads, and the one tail of the log that feeds them."""
