"""Delivery numbers: ascending, never reused, even after the row with the highest number is deleted."""

LAST_DELIVERY = (
    "SELECT coalesce(max(number), 0) FROM (SELECT max(delivery) AS number FROM deliveries UNION ALL "
    "SELECT CAST(value AS BIGINT) FROM service WHERE name = 'delivery') given"
)
"""The highest number ever assigned."""

HOLD_DELIVERY = (
    "INSERT INTO service (name, value) VALUES ('delivery', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value "
    "WHERE CAST(excluded.value AS BIGINT) > CAST(service.value AS BIGINT)"
)
"""Must accompany the deletion of a row that may have the highest number. The value is that number as text."""
