"""What the log means: events, state machines and the fold, all pure. Imports no framework, database or clock."""
