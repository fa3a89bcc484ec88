\set key random(:base, :base + :keys - 1)
INSERT INTO plain_cache VALUES (:key, :value, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;
