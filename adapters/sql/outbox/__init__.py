"""What waits to be delivered to handlers (`mode = "relay"`): taken, settled, given up, looked at."""
