"""From a serving process to the one that writes: frames, links, the writer, and the spool for when it cannot."""
