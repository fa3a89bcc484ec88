\set key random(:base, :base + :keys - 1)
SELECT * FROM covet.session_info(:key);
