-- The entries that the clients will delete, each its own.
INSERT INTO plain_cache
	SELECT (2 * :base + i)::text, :'value', now() + interval '1 day' FROM generate_series(0, :clients * :count - 1) AS i
	ON CONFLICT DO NOTHING;
SELECT covet.cache_set_many(array_agg((2 * :base + i)::text), array_agg(:'value'::text), '1 day', 'memory')
	FROM generate_series(0, :clients * :count - 1) AS i GROUP BY i / 10000 \g /dev/null
