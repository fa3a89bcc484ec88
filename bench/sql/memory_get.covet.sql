\set key random(:base, :base + :keys - 1)
SELECT covet.cache_get(:key, 'memory');
