\set key random(:base, :base + :keys - 1)
SELECT floor_set(:key, :value, '1 day');
