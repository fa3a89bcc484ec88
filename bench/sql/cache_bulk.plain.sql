\set first random(:base, :base + :keys - :per)
\set last :first + :per - 1
INSERT INTO plain_cache SELECT i::text, :value, now() + interval '1 day' FROM generate_series(:first::bigint, :last) AS i ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;
