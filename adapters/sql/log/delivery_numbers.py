"""Numbers of deliveries: ascending, and none is given twice, though the row that had the highest one is removed."""

LAST_DELIVERY = (
    "SELECT coalesce(max(number), 0) FROM (SELECT max(delivery) AS number FROM deliveries UNION ALL "
    "SELECT CAST(value AS BIGINT) FROM service WHERE name = 'delivery') given"
)
"""The highest number that was ever given."""

HOLD_DELIVERY = (
    "INSERT INTO service (name, value) VALUES ('delivery', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value "
    "WHERE CAST(excluded.value AS BIGINT) > CAST(service.value AS BIGINT)"
)
"""Goes with the removal of a row that may have the highest number; its value is that number as text."""
