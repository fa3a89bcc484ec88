-- What the sweep under measurement will remove. psql
-- variables: covet (0 or 1), dead (their number), base, value.
\if :covet
SELECT covet.cache_set_many(array_agg((3 * :base + i)::text), array_agg(:'value'::text), '1 hour')
	FROM generate_series(1, :dead) AS i GROUP BY i / 10000 \g /dev/null
\else
INSERT INTO plain_cache
	SELECT (3 * :base + i)::text, :'value', now() - interval '1 second' FROM generate_series(1, :dead) AS i;
\endif
CHECKPOINT;
