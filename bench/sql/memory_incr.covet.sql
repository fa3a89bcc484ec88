\set key random(1, :keys)
SELECT covet.cache_incr(:key, 1, '1 day', 'memory');
