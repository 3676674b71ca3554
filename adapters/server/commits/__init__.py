"""The way from a serving process to the writing one: frames, links, the writer, and the spool for outages."""
