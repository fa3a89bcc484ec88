SELECT covet.cache_set_many(array_agg((3 * :base::bigint + i)::text), array_agg(:value::text), '1 hour') FROM generate_series(1, :per) AS i;
SELECT covet.sweep(now() + interval '2 hours');
