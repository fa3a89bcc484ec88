-- A key that is hardly ever there.
\set key random(4 * :base, 5 * :base - 1)
INSERT INTO plain_cache VALUES (:key, :value, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at WHERE plain_cache.expires_at <= now();
