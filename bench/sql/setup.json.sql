-- Both caches with the same documents. The document comes from a table, once
-- for each client: too large for a command line. psql variables: base, keys,
-- value.
SET client_min_messages = warning;
DROP TABLE IF EXISTS bench_value, plain_json;
CREATE UNLOGGED TABLE bench_value (doc text NOT NULL);
INSERT INTO bench_value VALUES (:'value');
CREATE UNLOGGED TABLE plain_json (
	key text PRIMARY KEY,
	value jsonb NOT NULL,
	expires_at timestamptz NOT NULL
);
CREATE INDEX plain_json_expires_at_idx ON plain_json (expires_at);
INSERT INTO plain_json
	SELECT (:base + i)::text, doc::jsonb, now() + interval '1 day' FROM bench_value, generate_series(0, :keys - 1) AS i;

SELECT covet.cache_clear() \g /dev/null
SELECT covet.sweep(now() + interval '25 hours') \g /dev/null
SELECT count(covet.cache_set_jsonb((:base + i)::text, doc::jsonb, '1 day'))
	FROM bench_value, generate_series(0, :keys - 1) AS i \g /dev/null
VACUUM ANALYZE plain_json;
VACUUM ANALYZE covet._cache;
SELECT 1 / (count(*) = :keys)::int AS ok
	FROM bench_value, generate_series(0, :keys - 1) AS i WHERE covet.cache_get_jsonb((:base + i)::text) = doc::jsonb \g /dev/null
