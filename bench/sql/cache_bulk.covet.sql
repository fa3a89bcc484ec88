\set first random(:base, :base + :keys - :per)
\set last :first + :per - 1
SELECT covet.cache_set_many(array_agg(i::text), array_agg(:value::text), '1 day') FROM generate_series(:first::bigint, :last) AS i;
