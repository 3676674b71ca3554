"""Commands that run a service and look after its database and its senders."""
