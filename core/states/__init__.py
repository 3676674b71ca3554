"""What the machines share: a state as a fold produces it, its records, and the table that a declaration compiles to."""
