\set key random(:base + :keys, :base + 2 * :keys - 1)
SELECT covet.cache_get(:key, 'memory');
