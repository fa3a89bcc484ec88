\if :fresh
SELECT doc FROM bench_value \gset
\set fresh 0
\endif
\set key random(:base, :base + :keys - 1)
INSERT INTO plain_json VALUES (:key, :doc, now() + interval '1 day') ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at;
