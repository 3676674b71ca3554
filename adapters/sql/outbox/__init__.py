"""The outbox of deliveries to handlers (`mode = "relay"`)."""
