-- A key that is hardly ever there.
\set key random(4 * :base, 5 * :base - 1)
SELECT covet.cache_set(:key, :value, '1 day', 'memory');
