"""The database itself: engine, tables, transactions, errors."""
