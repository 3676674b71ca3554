"""The senders' side: verifies, reads and answers deliveries."""
