\set key random(:base, :base + :keys - 1)
SELECT * FROM covet.cache_lease(:key);
