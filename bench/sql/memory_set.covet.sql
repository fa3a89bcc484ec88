\set key random(:base, :base + :keys - 1)
SELECT covet.cache_set(:key, :value, '1 day', 'memory');
