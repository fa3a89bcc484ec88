-- Entries of a memory namespace that was empty. psql variables: base, keys, value.
SELECT covet.cache_set_many(array_agg((:base + i)::text), array_agg(:'value'::text), '1 day', 'memory')
	FROM generate_series(0, :keys - 1) AS i GROUP BY i / 10000 \g /dev/null
