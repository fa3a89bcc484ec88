\set key random(:base, :base + :keys - 1)
SELECT floor_get(:key);
