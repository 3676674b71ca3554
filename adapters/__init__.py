"""What touches the outside: each folder knows the thing it is named after, and nobody else's insides."""
