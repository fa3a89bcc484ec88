-- A key that is hardly ever there. Nothing keeps others from computing it too.
\set key random(4 * :base, 5 * :base - 1)
SELECT count(value) FROM plain_cache WHERE key = :key AND expires_at > now();
INSERT INTO plain_cache VALUES (:key, :value, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;
