"""Tables, transactions and errors: what every statement stands on."""
