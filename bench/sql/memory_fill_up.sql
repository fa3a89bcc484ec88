-- Fills the hot tier with entries of a memory namespace until it has evicted
-- some; prints how many it holds then. psql variables: base, value.
SELECT covet.cache_namespace_set('memory', 'memory')
	WHERE NOT EXISTS (SELECT FROM covet.cache_namespaces WHERE namespace = 'memory' AND storage = 'memory') \g /dev/null
SELECT covet.cache_clear('memory') \g /dev/null
SELECT covet.sweep() \g /dev/null
SELECT set_config('bench.value', :'value', false) \g /dev/null
SELECT set_config('bench.base', :'base', false) \g /dev/null
DO $$
DECLARE
	value text := current_setting('bench.value');
	base bigint := current_setting('bench.base');
	-- Twice what would fit if an entry took no more than its value.
	sets bigint := 2 * (SELECT size FROM covet.stat_hot) / length(value);
BEGIN
	FOR batch IN 0 .. sets BY 1000 LOOP
		PERFORM covet.cache_set_many(array_agg((3 * base + i)::text), array_agg(value), '1 day', 'memory')
			FROM generate_series(batch, batch + 999) AS i;
		COMMIT;
	END LOOP;
END $$;
SELECT entries FROM covet.stat_hot;
