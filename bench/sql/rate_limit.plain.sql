\set key random(1, :keys)
-- Hits of a fixed window, a minute each.
INSERT INTO plain_limit VALUES (:key, date_trunc('minute', now()), 1) ON CONFLICT (key) DO UPDATE SET hits = CASE WHEN plain_limit.begins_at = excluded.begins_at THEN plain_limit.hits + 1 ELSE 1 END, begins_at = excluded.begins_at RETURNING hits <= 1000000;
