-- Both caches with the same entries, freshly vacuumed. psql variables: base,
-- keys (number of entries), value.
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain_cache;
CREATE UNLOGGED TABLE plain_cache (
	key text PRIMARY KEY,
	value text NOT NULL,
	expires_at timestamptz NOT NULL
);
CREATE INDEX plain_cache_expires_at_idx ON plain_cache (expires_at);
INSERT INTO plain_cache
	SELECT (:base + i)::text, :'value', now() + interval '1 day' FROM generate_series(0, :keys - 1) AS i;

-- Past every end, lifetime and tombstone: nothing of an earlier row is left.
SELECT covet.cache_clear() \g /dev/null
SELECT covet.session_revoke_all() \g /dev/null
SELECT covet.sweep(now() + interval '25 hours') \g /dev/null
SELECT covet.cache_set_many(array_agg((:base + i)::text), array_agg(:'value'::text), '1 day')
	FROM generate_series(0, :keys - 1) AS i GROUP BY i / 10000 \g /dev/null
VACUUM ANALYZE plain_cache;
VACUUM ANALYZE covet._cache;

-- What is read must be there: a figure for misses called hits would be none.
SELECT 1 / (count(*) FILTER (WHERE v = :'value') = :keys)::int AS ok
	FROM generate_series(0, :keys - 1, 10000) AS b,
		unnest(covet.cache_get_many(ARRAY(SELECT (:base + i)::text FROM generate_series(b, least(b + 10000, :keys) - 1) AS i))) AS v \g /dev/null
