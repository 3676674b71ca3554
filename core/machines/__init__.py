"""The state machines, one file each, declared with `transitions`."""
