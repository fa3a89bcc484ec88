-- All that was to be deleted is gone.
SELECT 1 / (count(*) = 0)::int FROM plain_cache WHERE key = ANY(ARRAY(
	SELECT (2 * :base + i)::text FROM generate_series(0, :clients * :count - 1) AS i));
SELECT 1 / (count(covet.cache_get((2 * :base + i)::text, 'memory')) = 0)::int FROM generate_series(0, :clients * :count - 1) AS i;
