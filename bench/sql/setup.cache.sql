-- All caches with the same entries, freshly vacuumed: covet's namespaces of
-- either storage, the plain table. psql variables: base, keys (number of
-- entries), value.
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain_cache, plain_counter;
CREATE UNLOGGED TABLE plain_cache (
	key text PRIMARY KEY,
	value text NOT NULL,
	expires_at timestamptz NOT NULL
);
CREATE INDEX plain_cache_expires_at_idx ON plain_cache (expires_at);
INSERT INTO plain_cache
	SELECT (:base + i)::text, :'value', now() + interval '1 day' FROM generate_series(0, :keys - 1) AS i;
CREATE UNLOGGED TABLE plain_counter (
	key text PRIMARY KEY,
	value bigint NOT NULL,
	expires_at timestamptz NOT NULL
);

-- Past every end, lifetime and tombstone: nothing of an earlier row is left.
SELECT covet.cache_namespace_set('memory', 'memory')
	WHERE NOT EXISTS (SELECT FROM covet.cache_namespaces WHERE namespace = 'memory' AND storage = 'memory') \g /dev/null
SELECT covet.cache_clear(), covet.cache_clear('memory') \g /dev/null
SELECT covet.session_revoke_all() \g /dev/null
SELECT covet.sweep(now() + interval '25 hours') \g /dev/null
SELECT covet.cache_set_many(keys, vals, '1 day'), covet.cache_set_many(keys, vals, '1 day', 'memory')
	FROM (SELECT array_agg((:base + i)::text), array_agg(:'value'::text)
		FROM generate_series(0, :keys - 1) AS i GROUP BY i / 10000) AS batch (keys, vals) \g /dev/null
VACUUM ANALYZE plain_cache;
VACUUM ANALYZE covet._cache;

-- What is read must be there: a figure for misses called hits would be none.
SELECT 1 / (count(*) FILTER (WHERE v = :'value') = 2 * :keys)::int AS ok
	FROM generate_series(0, :keys - 1, 10000) AS b, unnest('{default,memory}'::text[]) AS n,
		unnest(covet.cache_get_many(ARRAY(SELECT (:base + i)::text FROM generate_series(b, least(b + 10000, :keys) - 1) AS i), n)) AS v \g /dev/null
