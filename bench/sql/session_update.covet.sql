\set key random(:base, :base + :keys - 1)
SELECT covet.session_update(:key, :value);
