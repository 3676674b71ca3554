"""HTTP/1.1 (RFC 9112): requests in, answers out, each connection within its bounds."""
