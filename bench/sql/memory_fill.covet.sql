-- A key that is hardly ever there.
\set key random(4 * :base, 5 * :base - 1)
SELECT lease_id FROM covet.cache_lease(:key, namespace => 'memory') \gset
SELECT covet.cache_fill(:key, :lease_id, :value, '1 day', namespace => 'memory');
