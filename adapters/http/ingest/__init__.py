"""The senders' side: verifies and reads a delivery, and answers it."""
