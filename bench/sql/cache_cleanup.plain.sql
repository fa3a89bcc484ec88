INSERT INTO plain_cache SELECT (3 * :base::bigint + i)::text, :value, now() - interval '1 second' FROM generate_series(1, :per) AS i;
DELETE FROM plain_cache WHERE expires_at < now();
