\set key random(:base, :base + :keys - 1)
SELECT covet.session_touch(:key);
