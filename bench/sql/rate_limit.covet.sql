\set key random(1, :keys)
SELECT * FROM covet.rate_limit(:key, 1000000, '1 minute');
